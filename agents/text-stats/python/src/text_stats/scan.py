"""One pass over a text: tokens, sentences, scripts."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from .tables import SCRIPTS, is_single, is_stop, lower, script_of

# Longer words than this count as long (LIX).
SHORT_WORD = 6
# Progress is reported each time this many characters are done.
PROGRESS_CHARACTERS = 65_536

APOSTROPHE, QUOTE = "'", "\u2019"


class TooManyTokens(Exception):
    """More distinct tokens than may be kept."""


@dataclass
class Counts:
    """What there is in a text."""

    characters: int
    tokens: int = 0
    word_characters: int = 0
    long_words: int = 0
    sentences: int = 0
    terms: Counter[str] = field(default_factory=Counter)
    # Word characters by the number of their script.
    scripts: list[int] = field(default_factory=lambda: [0] * len(SCRIPTS))


def fold(word: str) -> str:
    """A word as its token is counted: in lower case, with one kind of apostrophe."""
    return "".join(APOSTROPHE if char == QUOTE else lower(char) for char in word)


def scan(text: str, most: int, progress: Callable[[float], None]) -> Counts:
    """Counts what there is in a text.

    Past `most` distinct tokens it raises `TooManyTokens`; `progress` gets the share that is done.
    """
    counts = Counts(characters=len(text))
    token: list[str] = []
    sentence_open = False  # it has a token
    newlines = 0  # since the last character that is no white space

    def end_token() -> None:
        nonlocal sentence_open
        if not token:
            return
        counts.tokens += 1
        counts.word_characters += len(token)
        counts.long_words += len(token) > SHORT_WORD
        counts.terms["".join(token)] += 1
        if len(counts.terms) > most:
            raise TooManyTokens
        token.clear()
        sentence_open = True

    def end_sentence() -> None:
        nonlocal sentence_open
        counts.sentences += sentence_open
        sentence_open = False

    for at, char in enumerate(text):
        if at > 0 and at % PROGRESS_CHARACTERS == 0:
            progress(at / len(text))
        script = script_of(char)
        if script >= 0:
            counts.scripts[script] += 1
            newlines = 0
            single = is_single(script)
            if single:
                end_token()
            token.append(lower(char))
            if single:
                end_token()
            continue
        next_script = script_of(text[at + 1]) if at + 1 < len(text) else -1
        if char == APOSTROPHE or char == QUOTE:
            newlines = 0
            if token and next_script >= 0 and not is_single(next_script):
                token.append(APOSTROPHE)
            else:
                end_token()
            continue
        end_token()
        if char == "\n":
            newlines += 1
            if newlines == 2:
                end_sentence()
        elif char not in " \t\r":
            newlines = 0
            inside = char == "." and next_script >= 0  # 3.14
            if is_stop(char) and not inside:
                end_sentence()
    end_token()
    end_sentence()
    return counts
