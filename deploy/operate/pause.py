"""Pause a cluster: no head and no workers, and nothing else of it is gone. Touches AWS.

The stack notes the pause first, so that no alarm notifies anyone and no head is remediated. Then
the heads go, and with them Ray's autoscaler, which would replace each worker. A pause that was
killed is continued by another. To resume is to deploy the release that was served, as any deploy.
"""

from dataclasses import dataclass

from common.actor import actor
from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from common.progress import Progress
from common.waiting import Clock
from deploy.cluster.state import ClusterState, find_lease, read_state
from deploy.foundation.pause import set_paused
from deploy.foundation.stack import find_foundation
from deploy.release.release import Release
from deploy.rollout.cluster_access import ClusterAccess
from deploy.rollout.head_group_changes import resize_group, terminate_member
from deploy.rollout.lock import deploy_lock
from deploy.rollout.notices import announce
from deploy.rollout.terminate import terminate_all

KEPT = (
    "kept: names, releases, logs, the secrets, and state that is stored in a Redis",
    "lost: jobs and actors that run, objects in Ray's memory, and what is on the nodes' disks",
)


@dataclass(frozen=True)
class PlannedPause:
    """The instances that a pause terminates; ``noted``: it was begun before, or is done."""

    heads: tuple[str, ...]
    workers: tuple[str, ...]
    noted: bool

    @property
    def is_empty(self) -> bool:
        """The cluster is paused already."""
        return self.noted and not (self.heads or self.workers)

    @property
    def words(self) -> tuple[str, ...]:
        """Describe what would happen, for the confirmation."""
        return (
            f"- heads: {', '.join(self.heads) or 'none'}",
            f"- workers: {', '.join(self.workers) or 'none'}",
            *KEPT,
        )


def plan_pause(state: ClusterState, environment: Environment) -> PlannedPause:
    """Return what a pause would do; raises Refused when there is no cluster to resume later."""
    served_release(state, environment)
    return PlannedPause(
        tuple(head.id for head in state.heads),
        tuple(worker.id for worker in state.workers),
        noted=bool(state.foundation and state.foundation.is_paused),
    )


def served_release(state: ClusterState, environment: Environment) -> Release:
    """Return the release that a resume serves again; raises Refused when there is none."""
    if state.release is None:
        raise Refused(
            f"no deploy of {environment.name} has finished: there is nothing to pause or resume",
            hint=f"invoke deploy --env {environment.name}, or invoke destroy",
        )
    return state.release


@dataclass(frozen=True)
class Pause:
    """Carries a pause out."""

    clients: Clients
    environment: Environment
    clock: Clock
    progress: Progress

    def run(self, *, break_lock: bool = False) -> None:
        """Pause; no instance is left when this returns.

        Raises Refused when a deploy is in progress, PipelineError when instances do not go.
        """
        environment, progress = self.environment, self.progress
        with deploy_lock(
            self.clients,
            environment,
            f"pause of {environment.name}",
            clock=self.clock,
            progress=progress.say,
            break_it=break_lock,
        ) as clock:
            plan_pause(read_state(self.clients, environment), environment)
            access = ClusterAccess(self.clients, environment, clock, progress)
            progress.begin("note the pause")
            set_paused(self.clients, environment.stack, True, clock=clock, progress=progress.say)
            progress.end("alarms notify no one")
            progress.begin("terminate heads and workers")
            _terminate_heads(access)
            terminate_all(access, hint=f"invoke pause --env {environment.name} again")
            progress.end("no instance is left")
            self._announce()

    def _announce(self) -> None:
        """Tell the subscribers of the alarms, which are silent from now on."""
        found = find_foundation(self.clients, self.environment)
        if found is None:
            return
        name = self.environment.name
        lines = (f"by {actor()}", *KEPT, f"invoke resume --env {name}")
        if trouble := announce(self.clients, found.topic_arn, f"{name} is paused", lines):
            self.progress.say(trouble)


def _terminate_heads(access: ClusterAccess) -> None:
    """Set the group to no heads and terminate those there are, the leader last."""
    group = access.head_group()
    if group is None:
        return
    # Its heads are protected from scaling in, so that this alone terminates none.
    resize_group(access.clients, group.name, 0)
    lease = find_lease(access.clients, access.environment)
    leader = lease.holder if lease else ""
    for member in sorted(group.living, key=lambda member: member.instance_id == leader):
        # The group is to have none, so that none is replaced.
        terminate_member(access.clients, member.instance_id, replaced=True)


def left_running(state: ClusterState) -> tuple[str, ...]:
    """Describe the instances of a paused cluster that cost something still."""
    return tuple(
        f"paused, but {instance.role} {instance.id} is {instance.state}"
        for instance in state.instances
        if instance.is_there
    )
