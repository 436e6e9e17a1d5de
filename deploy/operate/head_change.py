"""Restart, replace or relieve a head by hand, and see the cluster come back. Touches AWS and Ray.

Each holds the deploy lock, so that it never crosses a rollout; Ray, asked all the while at the
stable name, tells for how long there was no head.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused, Unhealthy
from common.progress import Progress
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.heads import Heads, find_heads
from deploy.cluster.ray_api import RayApi
from deploy.cluster.run_command import run_command
from deploy.cluster.state import Lease, find_instances, find_lease
from deploy.operate.head_gap import HeadGap
from deploy.rollout.cluster_access import ClusterAccess
from deploy.rollout.endpoint_wait import ENDPOINT_SECONDS
from deploy.rollout.hand_over import hand_over
from deploy.rollout.head_group_changes import terminate_member
from deploy.rollout.lock import deploy_lock
from deploy.rollout.workers_wait import await_rejoined

Kind = Literal["restart", "replace", "handover"]
EVERY = 0.5
UNIT = "ray-head"
# The guard gives its preparations two minutes and a half.
RESTART_SECONDS = 180.0


@dataclass(frozen=True)
class Change:
    """What is to be done to which head; ``standby`` takes the lease over, or is empty."""

    kind: Kind
    head: str
    leads: bool
    standby: str = ""

    @property
    def words(self) -> str:
        """Say what would happen, for the person who is asked."""
        if not self.leads:
            return f"{self.kind} {self.head}, which does not lead"
        if self.kind == "restart":
            return f"restart {self.head}, which leads: no head meanwhile, and its jobs end"
        if self.standby:
            done = "" if self.kind == "handover" else f", then {self.head} is replaced"
            return f"{self.standby} takes the lease over from {self.head}, whose jobs end{done}"
        return f"replace {self.head}, which leads: no head until its successor has booted"


@dataclass(frozen=True)
class Outcome:
    """What came of it; ``gap``: seconds without a head at the stable name, None when unknown."""

    leader: str
    epoch: int
    gap: float | None
    workers: int

    def __str__(self) -> str:
        gap = "no head had answered before" if self.gap is None else f"no head for {self.gap:.1f} s"
        return f"{self.leader} leads (epoch {self.epoch}); {gap}; workers back: {self.workers}"


def plan_change(kind: Kind, heads: Heads, instance_id: str = "") -> Change:
    """Return what would be done to the leader, or to the head of that id.

    Raises Refused when it is no running head or a hand-over has nobody to go to, PipelineError
    when nobody leads and none is named.
    """
    head = heads.chosen(instance_id)
    leads = head == heads.leader
    standby = heads.standby if leads and kind != "restart" else ""
    if kind == "handover" and not standby:
        raise Refused(
            f"{heads.environment} has no standby in service that could lead",
            hint="head.standby = 1 in its file keeps one ready; without one: "
            f"invoke head.replace --env {heads.environment}",
        )
    return Change(kind, head, leads, standby)


@dataclass(frozen=True)
class HeadChange:
    """Carries one change out. ``api`` makes Ray's API at the stable name."""

    clients: Clients
    environment: Environment
    clock: Clock
    api: Callable[[], RayApi]
    progress: Progress

    def run(self, change: Change) -> Outcome | None:
        """Do what was shown, and wait until the cluster is whole; None where nobody else leads.

        Raises Refused when a deployer is at work or another leads by now, PipelineError when the
        cluster does not come back.
        """
        with deploy_lock(
            self.clients,
            self.environment,
            f"head.{change.kind} of {change.head}",
            clock=self.clock,
            progress=self.progress.say,
        ) as clock:
            heads = find_heads(self.clients, self.environment)
            leads = change.head == heads.leader
            if leads != change.leads or plan_change(change.kind, heads, change.head) != change:
                raise Refused("the heads have changed since this was shown", hint="run it again")
            gap = HeadGap(self.api, clock, self.progress)
            return replace(self, clock=clock, progress=gap)._take(change, heads, gap)

    def _take(self, change: Change, heads: Heads, gap: HeadGap) -> Outcome | None:
        if not change.leads:
            self._act(change)
            self._await_group(change)
            return None
        workers = self._workers(gap)
        self._act(change)
        lease = self._await_head(change, heads.lease.epoch if heads.lease else 0, gap)
        back = await_rejoined(self._access, self.api, workers, self._seconds)
        if change.kind == "replace" and change.standby:
            terminate_member(self.clients, change.head, replaced=True)
        self._await_group(change)
        return Outcome(lease.holder, lease.epoch, gap.seconds, back)

    def _workers(self, gap: HeadGap) -> frozenset[str]:
        """Return the addresses of the workers to wait for: all that run, if Ray does not answer."""
        if nodes := gap.nodes():
            return frozenset(node.address for node in nodes if node.works)
        found = find_instances(self.clients, self.environment.name)
        return frozenset(i.address for i in found if i.role == "worker" and i.state == "running")

    def _act(self, change: Change) -> None:
        """Begin the change; with a standby it is over once that one holds the lease."""
        if change.kind == "restart":
            self._restart(change.head, wait=not change.leads)
        elif change.standby:
            hand_over(
                self.clients,
                self.environment,
                (change.standby,),
                clock=self.clock,
                progress=self.progress,
            )
        else:
            terminate_member(self.clients, change.head, replaced=True)

    def _restart(self, instance_id: str, *, wait: bool) -> None:
        """Restart the guard's unit, and wait until it stands by.

        Its limit of starts begins anew, so that a restart by hand never hands the instance back.
        """
        restart = f"systemctl restart{'' if wait else ' --no-block'} {UNIT}"
        command = f"systemctl reset-failed {UNIT} && {restart}"
        ran = run_command(
            self.clients, instance_id, command, clock=self.clock, seconds=RESTART_SECONDS
        )
        if not ran.succeeded:
            raise PipelineError(
                f"restarting {UNIT} on {instance_id} ended with {ran.status} {ran.exit_code}: "
                + (ran.stdout + ran.stderr).strip()[-300:],
                hint=f"invoke head.logs --env {self.environment.name} --id {instance_id}",
            )

    def _await_head(self, change: Change, epoch: int, gap: HeadGap) -> Lease:
        """Wait for a head of a later epoch than that to answer at the stable name."""
        boots = change.kind == "replace" and not change.standby
        limits = self.environment.limits

        def look() -> Seen[Lease]:
            lease = find_lease(self.clients, self.environment)
            if lease is None or lease.released or lease.epoch <= epoch:
                return Seen(None, "nobody leads yet")
            if change.standby and lease.holder != change.standby:
                raise Unhealthy(
                    f"{change.standby} did not keep the lease: {lease.holder} leads",
                    hint=f"invoke head.logs --env {self.environment.name} --id {change.standby}",
                )
            heads = [node.address for node in gap.nodes() if node.leads]
            words = f"{lease.holder} holds the lease; Ray's head is {', '.join(heads) or 'nobody'}"
            return Seen(lease if lease.address in heads else None, words)

        return wait_for(
            f"a head at {self.environment.head_dns}",
            look,
            clock=self.clock,
            seconds=limits.head_ready_seconds + ENDPOINT_SECONDS if boots else self._seconds,
            every=EVERY,
            hint=f"invoke head.logs --env {self.environment.name}; docs/runbooks/head-not-ready.md",
            progress=self.progress.say,
        )

    def _await_group(self, change: Change) -> None:
        """Wait until the group has as many heads in service as it wants, the changed one apart."""
        name = self.environment.head_group

        def look() -> Seen[bool]:
            group = find_heads(self.clients, self.environment).group
            if group is None:
                raise PipelineError(f"the group {name} has gone", hint="invoke deploy")
            kept = change.kind != "replace"
            serving = [m for m in group.serving if kept or m.instance_id != change.head]
            words = ", ".join(f"{m.instance_id} {m.state}" for m in group.members)
            return Seen(True if len(serving) >= group.settings.desired else None, words)

        wait_for(
            f"heads of {name}",
            look,
            clock=self.clock,
            seconds=self.environment.limits.head_ready_seconds,
            every=EVERY,
            hint="docs/runbooks/head-launch.md",
            progress=self.progress.say,
        )

    @property
    def _access(self) -> ClusterAccess:
        return ClusterAccess(self.clients, self.environment, self.clock, self.progress)

    @property
    def _seconds(self) -> float:
        return float(self.environment.limits.hand_over_seconds)
