"""Reading JSON as every implementation reads it, and the words for what does not fit."""

import json
from collections.abc import Iterable

from .errors import InvalidInput

# So much of an unknown name is repeated.
SHOWN_CHARACTERS = 40


def parse(text: str):
    """The value of a JSON text; raises `ValueError` where there is none."""
    try:
        # Numbers are doubles, as in languages that have no others.
        value = json.loads(text, parse_constant=_refuse_constant, parse_int=float)
        # Python alone reads an escape that is half a character, which UTF-8 cannot say, and takes a
        # number that is too large for infinity.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError as error:
        raise ValueError(text) from error
    return value


def _refuse_constant(name: str):
    raise ValueError(name)  # NaN, which Python alone reads


def kind_of(value) -> str:
    """What a value is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"


def is_whole(value, low: int, high: int) -> bool:
    """Whether a value is a whole number between two, both included.

    `10.0` is one as well: not every language can tell it from `10`.
    """
    return isinstance(value, float) and low <= value <= high and value.is_integer()


def refuse_unknown(what: str, names: Iterable[str], known: list[str]) -> None:
    """Refuses names that are not known, so that a typing mistake does not turn into a default."""
    unknown = min((name for name in names if name not in known), default=None)
    if unknown is None:
        return
    shown = unknown[:SHOWN_CHARACTERS] + ("…" if len(unknown) > SHOWN_CHARACTERS else "")
    listed = ", ".join(f"`{name}`" for name in known)
    raise InvalidInput(f"unknown {what} `{shown}`: known are {listed}")
