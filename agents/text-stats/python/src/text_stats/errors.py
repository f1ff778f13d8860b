"""The contract's errors; the case tells the host what to do next."""


class AgentError(Exception):
    """Why a call did not succeed."""

    case = ""


class InvalidInput(AgentError):
    """The input is wrong and will stay wrong."""

    case = "invalid-input"


class Unavailable(AgentError):
    """Something that may pass, and when."""

    case = "unavailable"

    def __init__(self, message: str, retry_after_ms: int) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms


class Failed(AgentError):
    """The work failed for good."""

    case = "failed"
