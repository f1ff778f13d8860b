"""Guesses a text's language: by its script, then by the frequent words of the script's languages."""

from typing import NamedTuple

from .scan import Counts
from .tables import HAN, KANA, LANGUAGES, SCRIPTS

UNKNOWN = "und"


class Guess(NamedTuple):
    """A language, and why: `hits` of so many tokens are frequent words of it."""

    code: str
    script: str
    hits: int
    of: int


def guess(counts: Counts) -> Guess:
    script = SCRIPTS[_main_script(counts.scripts)]
    candidates = [language for language in LANGUAGES if language["script"] == script]
    if len(candidates) == 1:
        return Guess(candidates[0]["code"], script, hits=1, of=1)

    best = Guess(UNKNOWN, script, hits=0, of=counts.tokens)
    for language in candidates:
        hits = sum(counts.terms.get(word, 0) for word in language["words"])
        if hits > best.hits:
            best = best._replace(code=language["code"], hits=hits)
    return best


def _main_script(scripts: list[int]) -> int:
    """The script with the most characters, the first of several; 0 where there is none."""
    counts = [0, *scripts[1:]]
    # Japanese is written in Han and Kana together. A fifth tells it from Chinese with a foreign name.
    if counts[KANA] > 0 and counts[KANA] * 5 >= counts[HAN]:
        counts[KANA] += counts[HAN]
        counts[HAN] = 0
    return counts.index(max(counts))
