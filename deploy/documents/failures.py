"""Why tasks do not run: what ECS and the tasks' own logs said last. Touches AWS, changes nothing.

ECS shows a stopped task for an hour at least (docs.aws.amazon.com/AmazonECS/latest/developerguide/
stopped-task-errors.html).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.errors import PipelineError
from deploy.cluster.log_events import newest_events
from deploy.documents.tasks import described_tasks, listed_tasks

SHOWN_TASKS = 2  # of each family
SHOWN_LINES = 8
LONGEST_LINE = 300
PREFIX = "ray"  # of log streams, as the template's log configuration has it
# Stopped by a service that is updated or scaled, which is no failure.
ASKED_FOR = ("ServiceSchedulerInitiated", "UserInitiated")


@dataclass(frozen=True)
class Stopped:
    """A task that has stopped, and why."""

    id: str
    family: str
    at: str
    reason: str
    containers: tuple[str, ...]
    streams: tuple[str, ...]

    @property
    def words(self) -> str:
        """Return it in one line."""
        why = "; ".join(text for text in (self.reason, *self.containers) if text)
        return f"task {self.id[:8]} of {self.family} stopped: {why or 'no reason is given'}"


def explained(error: PipelineError, clients: Clients, cluster: str, groups: tuple[str, ...]) -> str:
    """Return an error's message with what stopped tasks and services say; never hides the error."""
    try:
        lines = tuple(why(clients, cluster, groups))
    except PipelineError as problem:
        lines = (f"why is not known: {problem.message}",)
    return "\n".join((error.message, *(f"  {line}" for line in lines)))


def why(clients: Clients, cluster: str, groups: tuple[str, ...]) -> Iterator[str]:
    """Yield why tasks stopped, newest first, each with its last lines of log."""
    shown: dict[str, int] = {}
    for task in stopped_tasks(clients, cluster):
        shown[task.family] = shown.get(task.family, 0) + 1
        if shown[task.family] > SHOWN_TASKS:
            continue
        yield task.words
        for line in last_lines(clients, groups, task.streams):
            yield f"  | {line}"


def stopped_tasks(clients: Clients, cluster: str) -> tuple[Stopped, ...]:
    """Return the tasks that stopped by themselves, newest first; none without the cluster."""
    with translated(f"listing the stopped tasks of {cluster}"):
        try:
            arns = listed_tasks(clients, cluster, desiredStatus="STOPPED")
            found = described_tasks(clients, cluster, arns)
        except ClientError as error:
            if error_code(error) != "ClusterNotFoundException":
                raise
            return ()
    stopped = [_stopped(one) for one in found if one.get("stopCode") not in ASKED_FOR]
    return tuple(sorted(stopped, key=lambda task: task.at, reverse=True))


def last_lines(clients: Clients, groups: tuple[str, ...], streams: tuple[str, ...]) -> list[str]:
    """Return the last lines that a task logged; none where it has logged nothing."""
    lines = list[str]()
    for group in groups:
        for stream in streams:
            with translated(f"reading {group}"):
                newest = newest_events(clients, group, stream, SHOWN_LINES)
                found = list(islice(newest, SHOWN_LINES))
            lines += [event.message.rstrip()[:LONGEST_LINE] for event in reversed(found)]
    return lines[-SHOWN_LINES:]


def log_groups(outputs: Mapping[str, str]) -> tuple[str, ...]:
    """Return the log groups of head and workers."""
    return tuple(outputs.get("LogGroupNames", "").split(",")[:2])


def _stopped(found: dict[str, Any]) -> Stopped:
    task_id = found["taskArn"].rpartition("/")[2]
    return Stopped(
        id=task_id,
        family=found["taskDefinitionArn"].rpartition("/")[2].partition(":")[0],
        at=str(found.get("stoppedAt", "")),
        reason=found.get("stoppedReason", ""),
        containers=tuple(_container(one) for one in found["containers"] if _container(one)),
        streams=tuple(f"{PREFIX}/{one['name']}/{task_id}" for one in found["containers"]),
    )


def _container(found: dict[str, Any]) -> str:
    code = f"{found['name']} exited with {found['exitCode']}" if found.get("exitCode") else ""
    return ": ".join(text for text in (code, found.get("reason", "")) if text)
