"""From counts to the output: figures as decimals, terms in order, JSON with a fixed order of keys."""

import json
from collections.abc import Iterable

from .language import Guess
from .request import Request
from .scan import Counts

# Behind the point.
DIGITS = 4
SCALE = 10**DIGITS


def report(request: Request, counts: Counts, stop_words: frozenset[str], guess: Guess | None) -> str:
    """The output of a task.

    Written by hand: `json` would write figures as floats, with as many digits as it likes.
    """
    return _object(
        bytes=str(request.bytes),
        characters=str(counts.characters),
        tokens=str(counts.tokens),
        distinct_tokens=str(len(counts.terms)),
        sentences=str(counts.sentences),
        average_word_length=decimal(counts.word_characters, counts.tokens),
        readability=_object(lix=_lix(counts), ari=_ari(counts)),
        top_terms=_top_terms(counts, stop_words, request.top),
        language=_language(guess),
    )


def decimal(numerator: int, denominator: int) -> str:
    """A fraction with four digits, rounded half up; zero where there is nothing to divide by."""
    if denominator == 0:
        return decimal(0, 1)
    units = (2 * numerator * SCALE + denominator) // (2 * denominator)
    sign = "-" if units < 0 else ""
    whole, rest = divmod(abs(units), SCALE)
    return f"{sign}{whole}.{rest:0{DIGITS}}"


def _lix(counts: Counts) -> str:
    """words / sentences + 100 · long words / words"""
    words, sentences = counts.tokens, counts.sentences
    return decimal(words * words + 100 * sentences * counts.long_words, words * sentences)


def _ari(counts: Counts) -> str:
    """4.71 · characters / words + 0.5 · words / sentences − 21.43"""
    words, sentences, characters = counts.tokens, counts.sentences, counts.word_characters
    numerator = 942 * sentences * characters + 100 * words * words - 4286 * words * sentences
    return decimal(numerator, 200 * words * sentences)


def _top_terms(counts: Counts, stop_words: frozenset[str], top: int) -> str:
    """The most frequent first, equally frequent ones by code point, which is how `str` is ordered."""
    terms = (item for item in counts.terms.items() if item[0] not in stop_words)
    frequent = sorted(terms, key=lambda item: (-item[1], item[0]))[:top]
    return _array(_object(term=_string(term), count=str(count)) for term, count in frequent)


def _language(guess: Guess | None) -> str:
    if guess is None:
        return "null"
    return _object(
        code=_string(guess.code),
        script=_string(guess.script),
        score=decimal(guess.hits, guess.of),
    )


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _array(items: Iterable[str]) -> str:
    return f"[{','.join(items)}]"


def _object(**members: str) -> str:
    return f"{{{','.join(f'{_string(name)}:{value}' for name, value in members.items())}}}"
