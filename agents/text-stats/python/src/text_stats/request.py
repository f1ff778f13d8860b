"""What a task asks for."""

from dataclasses import dataclass

from .errors import InvalidInput
from .jsons import is_whole, kind_of, parse, refuse_unknown
from .settings import MOST_TERMS, Settings

KNOWN = ["language", "text", "top"]


@dataclass(frozen=True)
class Request:
    """The checked payload."""

    text: str
    bytes: int
    top: int
    language: bool

    @classmethod
    def read(cls, payload: str, settings: Settings) -> "Request":
        options = _object(payload)
        refuse_unknown("option", options, KNOWN)
        if "text" not in options:
            raise InvalidInput("option `text` is missing")
        text = options["text"]
        if not isinstance(text, str):
            raise InvalidInput(f"option `text` is {kind_of(text)}: it must be a string")
        size = len(text.encode())
        if size > settings.max_bytes:
            raise InvalidInput(f"option `text` has {size} bytes: at most {settings.max_bytes} are accepted")
        top = options.get("top", float(settings.top_terms))
        if not is_whole(top, 0, MOST_TERMS):
            raise InvalidInput(f"option `top` must be a whole number from 0 to {MOST_TERMS}")
        language = options.get("language", True)
        if not isinstance(language, bool):
            raise InvalidInput("option `language` must be true or false")
        return cls(text, size, int(top), language)


def _object(payload: str) -> dict:
    try:
        value = parse(payload)
    except ValueError as error:
        raise InvalidInput("payload is not JSON") from error
    if isinstance(value, dict):
        return value
    raise InvalidInput(f'payload is {kind_of(value)}: it must be an object such as {{"text": "…"}}')
