"""A rollout's new head never comes into service: its guard does not start.

In the field: an image that works in its tests but not in this network, a secret that is missing.
Must hold: the leader keeps working, clients notice nothing, and the deploy rolls back (exit code
3), leaving no head of the new release.
Runbook: docs/runbooks/head-launch.md
"""

from dataclasses import replace

from deploy.cluster.head_group import Hook, find_group
from deploy.rollout.head_group_changes import ensure_group
from drills.kit.cluster import ClusterUnderTest
from drills.kit.deploys import ROLLED_BACK, deploy_heads, new_heads
from drills.kit.phases import Recovery
from node.contract import HEAD_UNIT

RECOVERY = Recovery.NONE
WITHIN = 20.0
# The deploy fails sooner when the new head is not ready.
LIMIT = "head_ready_seconds=60"


def run(cluster: ClusterUnderTest) -> None:
    """Mask the guard's unit on each new head as soon as it runs."""
    cluster.cleanup.callback(restore_time_limit, cluster)
    deploy = deploy_heads(cluster, limits=(LIMIT,))
    masked: set[str] = set()

    def has_ended() -> bool:
        for new in {head.id for head in new_heads(cluster) if head.state == "running"} - masked:
            masked.add(new)
            mask = f"systemctl mask --runtime --now {HEAD_UNIT}.service"
            cluster.inject(new, "the guard is masked", mask)
        return not deploy.is_running

    cluster.wait("the deploy rolled back", has_ended, seconds=600)
    deploy.await_exit(ROLLED_BACK)


def restore_time_limit(cluster: ClusterUnderTest) -> None:
    """Set the lifecycle hook's timeout of the environment again: the deploy has shortened it."""
    environment = cluster.environment
    hook = environment.names.lifecycle_hook
    group = find_group(cluster.clients, environment.head_group, hook)
    if group:
        seconds = environment.limits.head_ready_seconds
        desired = replace(group.settings, hook=Hook(hook, seconds))
        ensure_group(cluster.clients, environment.head_group, desired, clock=cluster.clock)
