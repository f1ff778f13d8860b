"""Runs tasks outside a host: JSON lines `{"parameters": {…}, "payload": "…", "attempt": 1}` in, a
line each out. Parameters are JSON text, as in the contract. `../compare.py` holds the
implementations against each other with it.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))

from text_stats.errors import AgentError
from text_stats.settings import Settings
from text_stats.task import execute


class Silent:
    """Drops all telemetry."""

    def progress(self, fraction, message): ...
    def attribute(self, name, value): ...
    def metric(self, name, value, labels): ...


def answer(line: dict) -> str:
    """The output, or the error's case and message."""
    try:
        settings = Settings.read(line.get("parameters", {}))
        return execute(line["payload"], line.get("attempt", 1), settings, Silent())
    except AgentError as error:
        return f"{error.case}: {error}"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    for line in sys.stdin.buffer:
        print(answer(json.loads(line)))
