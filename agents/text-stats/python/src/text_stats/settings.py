"""The operator's parameters, checked once when the agent starts."""

from dataclasses import dataclass

from .errors import InvalidInput
from .jsons import is_whole, parse, refuse_unknown
from .scan import fold

KNOWN = ["busy_attempts", "max_bytes", "max_distinct", "stop_words", "top_terms"]
# More terms than this are no longer the top.
MOST_TERMS = 100
MOST_STOP_WORDS = 1000


@dataclass(frozen=True)
class Settings:
    """What the operator set, or what holds otherwise."""

    # So many attempts at each task are answered as unavailable.
    busy_attempts: int
    max_bytes: int
    # Bounds the memory that a text can take.
    max_distinct: int
    # Folded as tokens are.
    stop_words: frozenset[str]
    top_terms: int

    @classmethod
    def read(cls, parameters: dict[str, str]) -> "Settings":
        """Reads parameters by name, each as JSON."""
        refuse_unknown("parameter", parameters, KNOWN)
        return cls(
            busy_attempts=_whole(parameters, "busy_attempts", 0, 10, 0),
            max_bytes=_whole(parameters, "max_bytes", 1, 4_194_304, 2_097_152),
            max_distinct=_whole(parameters, "max_distinct", 1, 1_000_000, 100_000),
            stop_words=_stop_words(parameters),
            top_terms=_whole(parameters, "top_terms", 0, MOST_TERMS, 10),
        )


def _whole(parameters: dict[str, str], name: str, low: int, high: int, default: int) -> int:
    if name not in parameters:
        return default
    value = _value(parameters[name])
    if is_whole(value, low, high):
        return int(value)
    raise InvalidInput(f"parameter `{name}` must be a whole number from {low} to {high}")


def _stop_words(parameters: dict[str, str]) -> frozenset[str]:
    words = _value(parameters.get("stop_words", "[]"))
    fits = isinstance(words, list) and len(words) <= MOST_STOP_WORDS
    if fits and all(isinstance(word, str) for word in words):
        return frozenset(fold(word) for word in words)
    raise InvalidInput(f"parameter `stop_words` must be an array of at most {MOST_STOP_WORDS} strings")


def _value(text: str):
    try:
        return parse(text)
    except ValueError:
        return None  # fits nothing, so it is refused as any wrong value is
