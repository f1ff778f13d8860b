"""What a client does with the package that openapi-python-client made: submits,
waits, lists, pushes a genome, starts a trial and aborts it.

    clients.py URL TOKEN CANDIDATE.wasm
"""

import sys
from io import BytesIO
from pathlib import Path

from chimera_client import AuthenticatedClient
from chimera_client.api.agents import list_agents
from chimera_client.api.genomes import get_genome, get_lineage, push_genome
from chimera_client.api.host import get_health, get_livez, get_scheduler_stats
from chimera_client.api.rollouts import abort_rollout, get_rollout, list_rollouts, start_rollout
from chimera_client.api.tasks import get_task, list_tasks, submit_tasks
from chimera_client.models import (
    Plan,
    Problem,
    Refused,
    RolloutRequest,
    RolloutViewAborted,
    RolloutViewRunning,
    Submitted,
    TaskRecord,
    TaskRequest,
    TaskState,
)
from chimera_client.types import File

AGENT_TYPE = "variant"


def expect(kind, answer):
    assert isinstance(answer, kind), f"{kind.__name__} expected, not {answer!r}"
    return answer


def main(url, token, candidate):
    client = AuthenticatedClient(base_url=url, token=token, timeout=120)
    tasks(client)
    trial(client, Path(candidate).read_bytes())
    stranger = AuthenticatedClient(base_url=url, token="another token")
    assert expect(Problem, list_agents.sync(client=stranger)).code == "unauthorized"
    assert get_livez.sync_detailed(client=stranger).status_code == 204


def tasks(client):
    task = TaskRequest(payload=1, target_agent_type=AGENT_TYPE)
    done = expect(Submitted, submit_tasks.sync(client=client, body=task, wait="60s"))
    assert done.result.success and done.result.output["version"] == 1, done
    record = expect(TaskRecord, get_task.sync(done.id, client=client, wait="60s"))
    assert record.state == TaskState.SUCCEEDED and record.failed_attempts == []

    several = submit_tasks.sync(
        client=client,
        body=[task, TaskRequest(payload=1, target_agent_type="unknown")],
        wait="60s",
    )
    assert expect(Submitted, several[0]).result.success
    assert expect(Refused, several[1]).problem.code == "agent-type-not-found", several[1]
    page = list_tasks.sync(client=client, state=TaskState.SUCCEEDED, agent_type=AGENT_TYPE)
    assert done.id in [task.id for task in page.tasks], page
    assert list_tasks.sync(client=client, limit=0).code == "invalid-request"

    assert get_health.sync(client=client).status == "healthy"
    assert get_scheduler_stats.sync(client=client).tasks["succeeded"] >= 2


def trial(client, component):
    body = File(payload=BytesIO(component))
    pushed = push_genome.sync(client=client, body=body, agent_type=AGENT_TYPE, author="clients.py")
    assert pushed.new and pushed.report.contract, pushed
    assert get_genome.sync(pushed.genome, client=client).author == "clients.py"

    wanted = RolloutRequest(agent_type=AGENT_TYPE, genome=pushed.genome, plan=Plan(steps=[0.5]))
    started = expect(RolloutViewRunning, start_rollout.sync(client=client, body=wanted))
    assert (started.step, started.candidate.genome) == (0, pushed.genome), started
    assert [view.agent_type for view in list_rollouts.sync(client=client)] == [AGENT_TYPE]
    expect(RolloutViewRunning, get_rollout.sync(AGENT_TYPE, client=client))
    again = expect(Problem, start_rollout.sync(client=client, body=wanted))
    assert again.code == "rollout-conflict", again

    aborted = expect(RolloutViewAborted, abort_rollout.sync(AGENT_TYPE, client=client))
    assert aborted.by, aborted
    events = [entry.event for entry in get_lineage.sync(AGENT_TYPE, client=client).entries]
    assert "rollout-started" in [event.event for event in events], events


main(*sys.argv[1:])
