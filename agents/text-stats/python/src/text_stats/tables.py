"""What is known about characters and languages: `../../../data`, the same for every implementation."""

import json
import sys
from bisect import bisect_left
from functools import lru_cache
from pathlib import Path

# The component's build sees nothing outside `src`, so a copy lies beside this file then. Otherwise the
# copy, which may be old, is not asked.
_DATA = Path(__file__).parents[0 if sys.platform == "wasi" else 3] / "data"


def _read(name: str):
    return json.loads((_DATA / name).read_text(encoding="utf-8"))


# Read when the component is made, which keeps the memory as it is then.
_UNICODE = _read("unicode.json")
LANGUAGES = _read("profiles.json")["languages"]
SCRIPTS = _UNICODE["scripts"]
KANA, HAN = SCRIPTS.index("Kana"), SCRIPTS.index("Han")


class _Rows:
    """Rows that begin with the first and last of a range of code points, in ascending order."""

    def __init__(self, rows: list[list[int]]) -> None:
        self._rows = rows
        self._lasts = [row[1] for row in rows]

    def find(self, code: int) -> list[int] | None:
        at = bisect_left(self._lasts, code)
        return self._rows[at] if at < len(self._rows) and self._rows[at][0] <= code else None


_WORDS, _STOPS, _LOWER = (_Rows(_UNICODE[name]) for name in ("words", "stops", "lower"))


# A text has few different characters. What is remembered is bounded, whatever the text.
_remembered = lru_cache(maxsize=4096)


@_remembered
def script_of(char: str) -> int:
    """The number of the script of a word character; -1 for any other character."""
    row = _WORDS.find(ord(char))
    return row[2] if row else -1


@_remembered
def is_stop(char: str) -> bool:
    """Whether a character ends a sentence."""
    return _STOPS.find(ord(char)) is not None


@_remembered
def lower(char: str) -> str:
    """The lower case of a character, where that is one character."""
    code = ord(char)
    row = _LOWER.find(code)
    if row is None or (code - row[0]) % row[2] != 0:
        return char
    return chr(code + row[3])


def is_single(script: int) -> bool:
    """Whether a script's characters are tokens one by one, since it is written without spaces."""
    return script == KANA or script == HAN
