"""The agent: the contract's exports round `text_stats`, in the order that the contract promises."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.telemetry import Label, progress, record_metric, start_tracking
from wit_world.imports.types import (
    AgentCapabilities,
    AgentError_Failed,
    AgentError_InvalidInput,
    AgentError_Unavailable,
    AgentHealth,
    Config,
    HealthStatus,
    Task,
    Unavailable,
)

from text_stats.errors import AgentError, Failed, InvalidInput, Unavailable as NotNow
from text_stats.settings import Settings
from text_stats.task import execute

BEFORE_INIT = "the agent was called before init: call init first"
SECOND_INIT = "init was called a second time: it is called once in the life of an instance"
SHUT_DOWN = "the agent was called after shutdown: start a new instance"

# The host keeps the instance; bindings make a new `Lifecycle` when they like.
settings: Settings | None = None
out_of_service = BEFORE_INIT


class Lifecycle(exports.Lifecycle):
    def init(self, config: Config) -> None:
        global settings
        if settings is not None:
            raise Err(AgentError_Failed(SECOND_INIT))
        if out_of_service == SHUT_DOWN:
            raise Err(AgentError_Failed(SHUT_DOWN))
        try:
            settings = Settings.read(dict(config.parameters))
        except AgentError as error:
            raise Err(contract_error(error)) from error

    def capabilities(self) -> AgentCapabilities:
        serves = settings is not None
        return AgentCapabilities(
            supported_task_types=["text-stats"] if serves else [],
            max_concurrent_tasks=1,
            wanted_quota=None,
            required_env_vars=[],
            features=["language-guess", "readability"] if serves else [],
        )

    def execute_task(self, task: Task) -> str:
        in_service = refuse_out_of_service()
        with start_tracking("text-stats") as span:
            try:
                return execute(task.payload, task.attempt, in_service, HostTeller(span))
            except AgentError as error:
                raise Err(contract_error(error)) from error

    def health(self) -> AgentHealth:
        if settings is None:
            return AgentHealth(HealthStatus.UNHEALTHY, out_of_service)
        if settings.busy_attempts == 0:
            return AgentHealth(HealthStatus.HEALTHY, None)
        message = f"busy for the first {settings.busy_attempts} attempts of each task"
        return AgentHealth(HealthStatus.DEGRADED, message)

    def shutdown(self) -> None:
        global settings, out_of_service
        refuse_out_of_service()
        settings, out_of_service = None, SHUT_DOWN


class HostTeller:
    """Tells the operator, by way of the host."""

    def __init__(self, span) -> None:
        self.span = span

    def progress(self, fraction: float, message: str) -> None:
        progress(fraction, message)

    def attribute(self, name: str, value: str) -> None:
        self.span.set_attribute(Label(name, value))

    def metric(self, name: str, value: float, labels: dict[str, str]) -> None:
        record_metric(name, value, [Label(*label) for label in labels.items()])


def refuse_out_of_service() -> Settings:
    if settings is None:
        raise Err(AgentError_Failed(out_of_service))
    return settings


def contract_error(error: AgentError):
    match error:
        case InvalidInput():
            return AgentError_InvalidInput(str(error))
        case NotNow():
            return AgentError_Unavailable(Unavailable(str(error), error.retry_after_ms))
        case Failed():
            return AgentError_Failed(str(error))
