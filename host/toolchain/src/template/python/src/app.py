"""The agent: the contract's exports round `words`.

Only this module knows `wit_world`, the contract in Python. `chimera agent build`
writes its types to `build/bindings`, for editors.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.types import (
    AgentCapabilities,
    AgentError_Failed,
    AgentError_InvalidInput,
    AgentHealth,
    Config,
    HealthStatus,
    Task,
)

from words import count_words

# The instance lives on from task to task; bindings make a new `Lifecycle` when they like.
texts = 0
stage = "new"

OUT_OF_ORDER = {
    "new": "the agent was called before init: call init first",
    "in service": "init was called a second time: it is called once in the life of an instance",
    "ended": "the agent was called after shutdown: start a new instance",
}


def go_on(wanted: str, then: str) -> None:
    """The host calls in the order of the contract. A call out of order is an error in words."""
    global stage
    if stage != wanted:
        raise Err(AgentError_Failed(OUT_OF_ORDER[stage]))
    stage = then


class Lifecycle(exports.Lifecycle):
    def init(self, config: Config) -> None:
        go_on("new", then="in service")

    def capabilities(self) -> AgentCapabilities:
        return AgentCapabilities(
            supported_task_types=[],
            max_concurrent_tasks=1,
            wanted_quota=None,
            required_env_vars=[],
            features=[],
        )

    def execute_task(self, task: Task) -> str:
        global texts
        go_on("in service", then="in service")
        match json.loads(task.payload):
            case {"text": str(text)}:
                texts += 1
                return json.dumps({"words": count_words(text), "texts_so_far": texts})
            case _:
                message = 'expected an object with a string `text`, such as {"text": "one two"}'
                raise Err(AgentError_InvalidInput(message))

    def health(self) -> AgentHealth:
        return AgentHealth(HealthStatus.HEALTHY, None)

    def shutdown(self) -> None:
        go_on("in service", then="ended")
