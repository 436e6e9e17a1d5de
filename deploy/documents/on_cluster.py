"""The pipeline's processes on the environment's own cluster, as Ray knows them. Touches both.

The instances of its group start and stop them by what the stack's settings say
(documents/instance.py); no command does.
"""

from common.clients import Clients, translated
from common.errors import PipelineError
from common.progress import Say
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.ray_access import ray_api
from deploy.cluster.ray_api import Unreachable
from deploy.documents.pipeline import Pipeline

STOPPED_SECONDS = 300.0  # an instance looks every few seconds; consumers finish what they have
NAMES = ("keeper-", "consumer-")


def await_stopped(clients: Clients, pipeline: Pipeline, *, clock: Clock, progress: Say) -> None:
    """Wait until nothing of the pipeline runs on the cluster; nothing does where it has no head."""
    if not _has_heads(clients, pipeline.environment.head_group):
        return
    ray = ray_api(clients, pipeline.environment)

    def look() -> Seen[bool]:
        try:
            there = sorted(actor.name for actor in ray.actors() if actor.name.startswith(NAMES))
        except Unreachable as error:
            return Seen(None, error.message)
        return Seen(not there or None, ", ".join(there) or "no actor of the pipeline")

    try:
        wait_for("no consumers", look, clock=clock, seconds=STOPPED_SECONDS, progress=progress)
    except PipelineError as error:
        name, group = pipeline.environment.name, pipeline.environment.documents.group
        hint = f"journalctl -u documents, on an instance of the group {group}, says why; "
        hint += f"without a head that answers: invoke pause --env {name}, and again"
        raise type(error)(error.message, hint=hint) from error


def _has_heads(clients: Clients, name: str) -> bool:
    with translated(f"reading the group {name}"):
        found = clients("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return any(group.get("Instances") for group in found["AutoScalingGroups"])
