"""Runs a component on bare wasmtime, with everything it tells written down.

A second host beside Chimera's, of the few lines that the contract asks for, by PyPI's `wasmtime`.
Chimera reads an output as JSON and may write it otherwise (`4.5000` as `4.5`); here it is seen as
the component wrote it.
"""

import json
from pathlib import Path

from wasmtime import Config, Engine, Store, WasiConfig
from wasmtime.component import Component, Linker, Record, ResourceHost, ResourceType, Variant

TELEMETRY = "chimera:agent/telemetry@0.1.0"
LIFECYCLE = "chimera:agent/lifecycle@0.1.0"
SPAN = 1
LEVELS = ("trace", "debug", "info", "warn", "error")


def record(**fields) -> Record:
    """A record of WIT, whose names have hyphens."""
    made = Record()
    for name, value in fields.items():
        setattr(made, name.replace("_", "-"), value)
    return made


QUOTA = record(max_cpu_cores=1.0, max_memory_mb=512, max_execution_time_secs=300, max_network_mbps=None)


class Instance:
    """One component, before its init."""

    def __init__(self, loaded: "Loaded") -> None:
        self.told: list = []
        self._store = Store(loaded.engine)
        self._store.set_wasi(WasiConfig())  # nothing is granted
        linker = Linker(loaded.engine)
        linker.add_wasip2()
        self._link(linker)
        self._instance = linker.instantiate(self._store, loaded.component)
        self._lifecycle = self._instance.get_export_index(self._store, LIFECYCLE)

    def init(self, parameters: dict[str, str]) -> str | None:
        config = record(
            agent_id="a", agent_type="text-stats", quota=QUOTA, environment=[], parameters=list(parameters.items())
        )  # fmt: skip
        return error_words(self.call("init", config))

    def call(self, name: str, *arguments):
        index = self._instance.get_export_index(self._store, name, self._lifecycle)
        function = self._instance.get_func(self._store, index)
        answer = function(self._store, *arguments)
        function.post_return(self._store)
        return answer

    def execute(self, payload: str, attempt: int = 1) -> str:
        """The output as the component wrote it, or the error's case and message."""
        task = record(
            id="00000000-0000-0000-0000-000000000001", priority="normal", payload=payload, created_at=0, deadline=None,
            attempt=attempt, quota=QUOTA, source_layer="test", agent_type="text-stats", metadata=[],
        )  # fmt: skip
        answer = self.call("execute-task", task)
        if isinstance(answer, Variant) and answer.tag == "unavailable":
            self.told.append(["retry after", getattr(answer.payload, "retry-after-ms")])
        return answer if isinstance(answer, str) else error_words(answer)

    def _link(self, linker: Linker) -> None:
        tell = self.told.append
        spans = iter(range(1, 1 << 30))

        def start_tracking(_, name):
            tell(["span", name])
            return ResourceHost.own(next(spans), SPAN).to_any(self._store)

        def set_attribute(_, span, label):
            tell(["attribute", label.name, label.value])
            span.drop(self._store)  # what is lent is given back

        def record_metric(_, name, value, labels):
            tell(["metric", name, value, [[label.name, label.value] for label in labels]])

        with linker.root() as root, root.add_instance(TELEMETRY) as telemetry:
            telemetry.add_resource("span", ResourceType.host(SPAN), lambda _, __: tell(["span ends"]))
            telemetry.add_func("start-tracking", start_tracking)
            telemetry.add_func("[method]span.set-attribute", set_attribute)
            telemetry.add_func("record-metric", record_metric)
            telemetry.add_func("progress", lambda _, fraction, message: tell(["progress", fraction, message]))
            telemetry.add_func("log", lambda _, level, message: tell(["log", level, message]))


class Loaded:
    """A component, compiled once for many instances."""

    def __init__(self, path: Path) -> None:
        config = Config()
        config.cache = True
        self.engine = Engine(config)
        self.component = Component.from_file(self.engine, str(path))


def error_words(error: Variant | None) -> str | None:
    """An error as the programs for native comparison write it."""
    if error is None:
        return None
    message = error.payload if isinstance(error.payload, str) else error.payload.message
    return f"{error.tag}: {message}"


def run(path: Path, lines: list[dict]) -> list[str]:
    """What comes of each line, with what was told meanwhile, as one text."""
    loaded = Loaded(path)
    instances: dict[str, tuple[Instance, str | None]] = {}
    answers = []
    for line in lines:
        parameters = line.get("parameters", {})
        # One instance for all lines with the same parameters, as on a host.
        key = json.dumps(parameters)
        if key not in instances:
            instance = Instance(loaded)
            instances[key] = (instance, instance.init(parameters))
        instance, refused = instances[key]
        instance.told.clear()
        answer = refused or instance.execute(line["payload"], line.get("attempt", 1))
        answers.append(answer if not instance.told else f"{answer}\ttold {json.dumps(instance.told)}")
    return answers


# A life out of order: every call before init, after it, and after shutdown.
LIFE = ("capabilities", "health", "execute", "shutdown", "init", "init", "capabilities", "health", "execute")
LIFE += ("shutdown", "shutdown", "init", "capabilities", "health", "execute")


def live(path: Path, parameters: dict[str, str]) -> list[str]:
    """What each call of `LIFE` answers."""
    instance = Instance(Loaded(path))
    calls = {
        "init": lambda: instance.init(parameters),
        "execute": lambda: instance.execute('{"text": "one"}', 9),
        "shutdown": lambda: error_words(instance.call("shutdown")),
    }
    answers = (calls.get(name, lambda name=name: instance.call(name))() for name in LIFE)
    return [json.dumps(answer, default=vars, ensure_ascii=False) for answer in answers]
