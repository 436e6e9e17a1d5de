"""What this task of ECS is: its address and its size, from its metadata endpoint. No AWS, no Ray.

docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html. Ray is
told both: it would guess the address by what routes to a public one, and count the CPUs of the
machine below, since a task's limits are not those of its container.
"""

import json
import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.errors import Refused

ENDPOINT = "ECS_CONTAINER_METADATA_URI_V4"
SECONDS = 5.0
MIB = 2**20


@dataclass(frozen=True)
class Task:
    """A task: ``cpus`` as Ray counts them, ``memory`` in bytes."""

    address: str
    cpus: int
    memory: int


def this_task(environ: Mapping[str, str] = os.environ) -> Task:
    """Return the task that this process is in; raises Refused outside of one."""
    endpoint = environ.get(ENDPOINT, "")
    if not endpoint:
        raise Refused(f"there is no {ENDPOINT}", hint="run this in a task of ECS")
    return task_from(_read(endpoint), _read(f"{endpoint}/task"))


def task_from(container: dict[str, Any], task: dict[str, Any]) -> Task:
    """Return the task from the endpoint's two answers; a part of a vCPU counts as one CPU."""
    return Task(
        address=str(container["Networks"][0]["IPv4Addresses"][0]),
        cpus=max(1, int(task["Limits"]["CPU"])),
        memory=int(task["Limits"]["Memory"]) * MIB,
    )


def _read(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310 # the task's own
        return dict(json.loads(answer.read()))
