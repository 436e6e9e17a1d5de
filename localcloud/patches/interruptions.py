"""Spot interruptions, on request: an instance is told two minutes ahead that it goes, and goes.

Follows https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
(instance-action in the metadata, on a best-effort basis two minutes before). moto never interrupts.
Which instance, and when it ends (seconds since the epoch), another process writes to a file
(``follow``), as the Fault Injection Service does for spot instances.
"""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from localcloud.account import ec2_backend
from localcloud.patches import internal
from localcloud.world import World

NOTICE = 120.0  # seconds

_followed: list[Path] = []


def follow(path: Path) -> None:
    """Heed this file from now on, while it is there: on each line an instance and a time."""
    _followed[:] = [path]


def notice_of(instance_id: str) -> dict[str, str]:
    """Return what the metadata service tells an instance that is to be interrupted, by path."""
    at = _announced().get(instance_id)
    if at is None:
        return {}
    time = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "spot/instance-action": f'{{"action": "terminate", "time": "{time}"}}',
        "spot/termination-time": time,
    }


def _announced() -> dict[str, float]:
    text = ""
    with suppress(FileNotFoundError):
        text = "".join(path.read_text() for path in _followed)
    lines = [line.split() for line in text.splitlines()]
    return {line[0]: float(line[1]) for line in lines if len(line) == 2}


def _end_those_due(now: float) -> None:
    living = {i.id for i in ec2_backend().all_instances() if i.state in ("pending", "running")}
    for instance_id, at in _announced().items():
        if now >= at and instance_id in living:
            internal.call("ec2", "terminate_instances", InstanceIds=[instance_id])


def install() -> None:
    """There is nothing of moto's to replace."""


def attach(world: World) -> None:
    """End what is to be interrupted when its time has come."""
    _followed.clear()
    world.reconcilers.append(_end_those_due)
