"""One task from payload to output, apart from the host: telemetry goes to a `Teller`."""

from typing import Protocol

from .errors import Failed, Unavailable
from .language import guess
from .report import report
from .request import Request
from .scan import Counts, TooManyTokens, scan
from .settings import Settings

RETRY_AFTER_MS = 100
# Share of the work that is over when the text is counted.
COUNTED = 0.9


class Teller(Protocol):
    """Takes the telemetry of a task."""

    def progress(self, fraction: float, message: str) -> None: ...
    def attribute(self, name: str, value: str) -> None: ...
    def metric(self, name: str, value: float, labels: dict[str, str]) -> None: ...


def execute(payload: str, attempt: int, settings: Settings, teller: Teller) -> str:
    """The output, as JSON; raises an `AgentError`."""
    _refuse_while_busy(attempt, settings)
    request = Request.read(payload, settings)
    teller.attribute("bytes", str(request.bytes))
    counts = _count(request.text, settings, teller)
    guessed = guess(counts) if request.language else None

    code = guessed.code if guessed else "none"
    teller.attribute("tokens", str(counts.tokens))
    teller.attribute("language", code)
    teller.metric("text_stats_bytes", request.bytes, {})
    teller.metric("text_stats_tokens", counts.tokens, {"language": code})
    output = report(request, counts, settings.stop_words, guessed)
    teller.progress(1.0, "done")
    return output


def _refuse_while_busy(attempt: int, settings: Settings) -> None:
    """For an operator who wants to see what the host does with a failure that passes."""
    busy = settings.busy_attempts
    if attempt <= busy:
        raise Unavailable(f"busy for the first {busy} attempts, this is attempt {attempt}", RETRY_AFTER_MS)


def _count(text: str, settings: Settings, teller: Teller) -> Counts:
    most = settings.max_distinct
    try:
        return scan(text, most, lambda done: teller.progress(done * COUNTED, "counting"))
    except TooManyTokens as error:
        raise Failed(f"the text has more than {most} distinct tokens") from error
