"""Restart or replace a head, or hand over its lease, by hand. Touches AWS and Ray.

Each change holds the deploy lock, so that it never overlaps a rollout, and waits until the cluster
has recovered. Ray is probed at the stable name meanwhile, to measure the client downtime.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused, Unhealthy
from common.progress import Progress
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.autoscaler_health import ROUND_SECONDS, NotReported, autoscaler_health
from deploy.cluster.heads import Heads, find_heads
from deploy.cluster.instances import find_instances
from deploy.cluster.ray_api import RayApi
from deploy.cluster.run_command import run_command
from deploy.cluster.state import Lease, find_lease
from deploy.operate.downtime_meter import DowntimeMeter
from deploy.rollout.cluster_access import ClusterAccess
from deploy.rollout.endpoint_wait import ENDPOINT_SECONDS
from deploy.rollout.hand_over import hand_over
from deploy.rollout.head_group_changes import terminate_member
from deploy.rollout.lock import deploy_lock
from deploy.rollout.workers_wait import await_rejoined
from node.contract import HEAD_UNIT

HeadAction = Literal["restart", "replace", "hand-over"]
EVERY = 0.5
# The guard's preparations take up to two and a half minutes.
RESTART_SECONDS = 180.0


@dataclass(frozen=True)
class PlannedChange:
    """What is to be done to which head; ``standby`` takes over the lease, or is empty."""

    action: HeadAction
    head: str
    leads: bool
    standby: str = ""

    @property
    def words(self) -> str:
        """Describe what would happen, for the confirmation."""
        if not self.leads:
            return f"{self.action} {self.head}, which is not the leader"
        if self.action == "restart":
            return f"restart {self.head}, the leader: no head meanwhile, and its jobs end"
        if self.standby:
            done = "" if self.action == "hand-over" else f", then {self.head} is replaced"
            return f"{self.standby} takes over the lease from {self.head}, whose jobs end{done}"
        return f"replace {self.head}, the leader: no head until its successor has booted"


@dataclass(frozen=True)
class ChangeResult:
    """The result; ``downtime``: seconds without a head at the stable name, None when unknown."""

    leader: str
    epoch: int
    downtime: float | None
    workers: int

    def __str__(self) -> str:
        words = "no head had answered before"
        if self.downtime is not None:
            words = f"no head for {self.downtime:.1f} s"
        return f"{self.leader} leads (epoch {self.epoch}); {words}; workers back: {self.workers}"


def plan_change(action: HeadAction, heads: Heads, instance_id: str = "") -> PlannedChange:
    """Return what would be done to the leader, or to the head of that id.

    Raises Refused when it is not a running head or there is no standby for a hand-over,
    PipelineError when there is no leader and no id.
    """
    head = heads.select(instance_id)
    leads = head == heads.leader
    standby = heads.standby if leads and action != "restart" else ""
    if action == "hand-over" and not standby:
        raise Refused(
            f"{heads.environment} has no standby in service that could lead",
            hint="set head.standby = 1 in its file to keep one ready; without one: "
            f"invoke head.replace --env {heads.environment}",
        )
    return PlannedChange(action, head, leads, standby)


@dataclass(frozen=True)
class HeadChange:
    """Carries out one change. ``api`` returns Ray's API at the stable name.

    ``first`` is done before the head is changed, once it is certain that it will be.
    """

    clients: Clients
    environment: Environment
    clock: Clock
    api: Callable[[], RayApi]
    progress: Progress
    first: Callable[[], None] = lambda: None

    def run(self, change: PlannedChange) -> ChangeResult | None:
        """Carry out the change and wait for recovery; None when the head was not the leader.

        Raises Refused when a deploy is in progress or the heads have changed, PipelineError when
        the cluster does not recover.
        """
        with deploy_lock(
            self.clients,
            self.environment,
            f"head.{change.action} of {change.head}",
            clock=self.clock,
            progress=self.progress.say,
        ) as clock:
            heads = find_heads(self.clients, self.environment)
            leads = change.head == heads.leader
            if leads != change.leads or plan_change(change.action, heads, change.head) != change:
                raise Refused("the heads have changed since this was planned", hint="run it again")
            meter = DowntimeMeter(self.api, clock, self.progress)
            return replace(self, clock=clock, progress=meter)._carry_out(change, heads, meter)

    def _carry_out(
        self, change: PlannedChange, heads: Heads, meter: DowntimeMeter
    ) -> ChangeResult | None:
        if not change.leads:
            self._begin(change)
            self._await_group(change)
            return None
        workers = self._workers(meter)
        self.first()
        self._begin(change)
        lease = self._await_head(change, heads.lease.epoch if heads.lease else 0, meter)
        back = await_rejoined(self._access, self.api, workers, self._seconds)
        if change.action == "replace" and change.standby:
            terminate_member(self.clients, change.head, replaced=True)
        self._await_group(change)
        self._await_autoscaler(lease.holder)
        return ChangeResult(lease.holder, lease.epoch, meter.seconds, back)

    def _workers(self, meter: DowntimeMeter) -> frozenset[str]:
        """Return the addresses of the workers to wait for; all running ones if Ray is silent."""
        if nodes := meter.nodes():
            return frozenset(node.address for node in nodes if node.works)
        found = find_instances(self.clients, self.environment.name)
        return frozenset(i.address for i in found if i.role == "worker" and i.state == "running")

    def _begin(self, change: PlannedChange) -> None:
        """Begin the change; a hand-over returns once the standby holds the lease."""
        if change.action == "restart":
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
        """Restart the guard's unit; ``wait`` until systemd has started it.

        Its start limit is reset, so that a restart by hand never makes the instance give up.
        """
        restart = f"systemctl restart{'' if wait else ' --no-block'} {HEAD_UNIT}"
        command = f"systemctl reset-failed {HEAD_UNIT} && {restart}"
        result = run_command(
            self.clients, instance_id, command, clock=self.clock, seconds=RESTART_SECONDS
        )
        if not result.succeeded:
            raise PipelineError(
                f"restarting {HEAD_UNIT} on {instance_id} ended with "
                f"{result.status} {result.exit_code}: "
                + (result.stdout + result.stderr).strip()[-300:],
                hint=f"invoke head.logs --env {self.environment.name} --id {instance_id}",
            )

    def _await_head(self, change: PlannedChange, epoch: int, meter: DowntimeMeter) -> Lease:
        """Wait until a head with a later epoch answers at the stable name."""
        boots = change.action == "replace" and not change.standby
        limits = self.environment.limits

        def look() -> Seen[Lease]:
            lease = find_lease(self.clients, self.environment)
            if lease is None or lease.released or lease.epoch <= epoch:
                return Seen(None, "no leader yet")
            if change.standby and lease.holder != change.standby:
                raise Unhealthy(
                    f"{change.standby} did not keep the lease: {lease.holder} leads",
                    hint=f"invoke head.logs --env {self.environment.name} --id {change.standby}",
                )
            heads = [node.address for node in meter.nodes() if node.leads]
            words = f"{lease.holder} holds the lease; Ray's head is {', '.join(heads) or 'none'}"
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

    def _await_group(self, change: PlannedChange) -> None:
        """Wait until the group has its desired heads in service, not counting a replaced one."""
        name = self.environment.head_group

        def look() -> Seen[bool]:
            group = find_heads(self.clients, self.environment).group
            if group is None:
                raise PipelineError(
                    f"the group {name} does not exist any more", hint="invoke deploy"
                )
            replaced = change.head if change.action == "replace" else ""
            serving = [m for m in group.serving if m.instance_id != replaced]
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

    def _await_autoscaler(self, leader: str) -> None:
        """Wait until the leader's autoscaler has completed a round, if its image reports them."""

        def look() -> Seen[bool]:
            try:
                health = autoscaler_health(self.clients, leader, clock=self.clock)
            except NotReported:
                return Seen(True, "")
            except PipelineError as error:
                return Seen(None, error.message)
            return Seen(True if health.working else None, str(health))

        wait_for(
            f"the autoscaler of {leader}",
            look,
            clock=self.clock,
            seconds=ROUND_SECONDS,
            every=2 * EVERY,
            hint="docs/runbooks/autoscaler.md",
            progress=self.progress.say,
        )

    @property
    def _access(self) -> ClusterAccess:
        return ClusterAccess(self.clients, self.environment, self.clock, self.progress)

    @property
    def _seconds(self) -> float:
        return float(self.environment.limits.hand_over_seconds)
