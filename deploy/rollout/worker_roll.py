"""Replace stale workers, a few at a time: drain, terminate, and let Ray's autoscaler launch others.

Touches AWS (EC2, and SSM to drain on the leader) and asks Ray which workers are alive. Decides from
what exists now, so it can be killed anywhere and run again.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from common.errors import PipelineError, TimedOut, Unhealthy
from deploy.cluster.instances import Instance, find_instances
from deploy.cluster.ray_api import RayApi, RayNode, Unreachable, alive_workers
from deploy.cluster.run_command import run_command
from deploy.cluster.state import find_lease
from deploy.rollout.cluster_access import EVERY, ClusterAccess
from deploy.rollout.launch_refusals import WAITING_HINT, LaunchRefusals
from deploy.rollout.terminate import terminate_instances
from node.contract import GCS_PORT, RAY_COMMAND

# With the other reason, idle termination, Ray refuses to drain a node that is not idle
# (autoscaler.proto).
REASON = "DRAIN_NODE_REASON_PREEMPTION"
# Seconds after which a worker that is not alive is expected never to join.
ABSENT_SECONDS = 30.0
# Launches that may have been under way when the autoscaler read its configuration.
UNDER_WAY = 10
# As many drain commands as fit into one SSM command.
DRAINED_AT_ONCE = 50


@dataclass(frozen=True)
class RollLimits:
    """Of one group: ``minimum`` workers stay alive, less ``unavailable``."""

    minimum: int
    unavailable: int


@dataclass(frozen=True)
class Workers:
    """The workers at one look, of one group or several.

    They are instances, and by address those that Ray counts as alive. ``known``: Ray answered.
    """

    stale: tuple[Instance, ...]
    fresh: tuple[Instance, ...]
    nodes: Mapping[str, RayNode]
    known: bool

    def of(self, group: str) -> "Workers":
        """Return the workers of one group."""
        stale = tuple(worker for worker in self.stale if worker.group == group)
        fresh = tuple(worker for worker in self.fresh if worker.group == group)
        return replace(self, stale=stale, fresh=fresh)

    @property
    def alive(self) -> int:
        """Return how many instances are alive workers of Ray."""
        return sum(i.address in self.nodes for i in (*self.stale, *self.fresh))

    @property
    def words(self) -> str:
        """Return the progress in words."""
        return f"{len(self.stale)} to replace, {len(self.fresh)} new, {self.alive} alive"


@dataclass
class WorkerRoll:
    """Replaces every worker of some groups that is not ``is_current``, in all of them at a time.

    ``limits`` are by group. ``drain_seconds`` is the deadline of a drain; None terminates all at
    once: their Ray cannot join the new head. It ends when no stale worker has been seen for
    ``quiet_seconds``.
    """

    access: ClusterAccess
    api: RayApi
    is_current: Callable[[Instance], bool]
    limits: Mapping[str, RollLimits]
    drain_seconds: int | None
    quiet_seconds: float = 0.0
    # When each stale worker was drained, and since when each was seen not to be alive.
    _draining: dict[str, float] = field(default_factory=dict)
    _absent: dict[str, float] = field(default_factory=dict)

    def run(self) -> tuple[int, int]:
        """Return how many were replaced, and how many are alive.

        Raises TimedOut when nothing has changed for too long, and Unhealthy when the autoscaler
        keeps launching stale workers.
        """
        timeout = self.access.environment.limits.workers_ready_seconds
        timeout += self.drain_seconds or 0
        replaced: set[str] = set()
        last, changed, most = "", self.access.clock.now(), 0
        seen = changed  # a stale worker, or nothing yet
        refusals = LaunchRefusals(self.access)
        while True:
            workers, now = self._look(), self.access.clock.now()
            replaced.update(worker.id for worker in workers.stale)
            most = most or len(replaced) + UNDER_WAY
            if len(replaced) > most:
                raise self._endless(len(replaced))
            seen = now if workers.stale else seen
            is_quiet = not workers.stale and now - seen >= self.quiet_seconds
            if is_quiet and not self._too_few(workers):
                return len(replaced), workers.alive
            words = self._words(workers)
            told = words + refusals.words()
            self.access.progress.say(told)
            if words != last:
                last, changed = words, now
            elif now - changed > timeout:
                raise self._stalled(timeout, told)
            self._act(workers)
            self.access.clock.sleep(EVERY)

    def _look(self) -> Workers:
        found = find_instances(self.access.clients, self.access.environment.name)
        workers = [i for i in found if i.group in self.limits and i.is_there]
        alive = workers_if_reachable(self.api)
        return Workers(
            tuple(i for i in workers if not self.is_current(i)),
            tuple(i for i in workers if self.is_current(i)),
            {node.address: node for node in alive or ()},
            known=alive is not None,
        )

    def _too_few(self, workers: Workers) -> bool:
        return any(workers.of(n).alive < limits.minimum for n, limits in self.limits.items())

    def _words(self, workers: Workers) -> str:
        """Return the progress in words, group by group."""
        if len(self.limits) == 1:
            return workers.words
        return "; ".join(f"{name}: {workers.of(name).words}" for name in self.limits)

    def _endless(self, replaced: int) -> Unhealthy:
        name = self.access.environment.name
        return Unhealthy(
            f"the autoscaler of {name} still launches workers of another version: "
            f"{replaced} to replace so far",
            hint=f"does the leader use the desired configuration? invoke status --env {name}",
        )

    def _stalled(self, timeout: int, words: str) -> TimedOut:
        return TimedOut(
            f"workers of {self.access.environment.name}: nothing changed for {timeout} s; "
            f"last seen: {words}",
            hint=WAITING_HINT,
        )

    def _act(self, workers: Workers) -> None:
        """Terminate and drain in all groups, with as few requests as for one."""
        if self.drain_seconds is None:
            self._terminate([worker.id for worker in workers.stale])
            return
        ended = self._drained(workers, self.drain_seconds)
        if workers.known:
            ended += self._absent_for_long(workers)
        self._terminate(list(dict.fromkeys(ended)))
        if workers.known:
            self._drain_more(workers, self.drain_seconds)

    def _drained(self, workers: Workers, drain_seconds: int) -> list[str]:
        """Return those that have left Ray, and those whose drain is past its deadline."""
        now = self.access.clock.now()
        return [
            worker.id
            for worker in workers.stale
            if worker.id in self._draining
            and (
                (workers.known and worker.address not in workers.nodes)
                or now >= self._draining[worker.id] + drain_seconds
            )
        ]

    def _absent_for_long(self, workers: Workers) -> list[str]:
        """Return stale workers that never join, unless too many of their group are unavailable."""
        now = self.access.clock.now()
        absent = [w.id for w in workers.stale if w.address not in workers.nodes]
        self._absent = {name: self._absent.get(name, now) for name in absent}
        late: list[str] = []
        for group, limits in self.limits.items():
            found = workers.of(group)
            if limits.minimum - found.alive > limits.unavailable:
                continue
            ids = [w.id for w in found.stale if now - self._absent.get(w.id, now) >= ABSENT_SECONDS]
            late += ids[: limits.unavailable]
        return late

    def _drain_more(self, workers: Workers, drain_seconds: int) -> None:
        """Drain as many of each group as may be unavailable in addition to those that are."""
        chosen: list[Instance] = []
        for group, limits in self.limits.items():
            chosen += self._next_to_drain(workers.of(group), limits)
        chosen = chosen[:DRAINED_AT_ONCE]
        if chosen:
            self._drain([workers.nodes[worker.address].id for worker in chosen], drain_seconds)
        now = self.access.clock.now()
        self._draining.update({worker.id: now for worker in chosen})

    def _next_to_drain(self, workers: Workers, limits: RollLimits) -> list[Instance]:
        stale = {worker.id for worker in workers.stale}
        out = len(stale & self._draining.keys()) + max(0, limits.minimum - workers.alive)
        waiting = [
            worker
            for worker in sorted(workers.stale, key=lambda worker: worker.id)
            if worker.id not in self._draining and worker.address in workers.nodes
        ]
        return waiting[: max(0, limits.unavailable - out)]

    def _drain(self, nodes: list[str], drain_seconds: int) -> None:
        lease = find_lease(self.access.clients, self.access.environment)
        if lease is None or lease.released:
            raise PipelineError("no instance holds the head lease, so no worker can be drained")
        commands = [drain_command(lease.address, node, drain_seconds) for node in nodes]
        ran = run_command(
            self.access.clients,
            lease.holder,
            " && ".join(commands),
            clock=self.access.clock,
            seconds=60 + 5 * len(nodes),
        )
        if not ran.succeeded:
            raise PipelineError(
                f"draining on {lease.holder} ended with {ran.status} {ran.exit_code}: "
                + (ran.stdout + ran.stderr).strip()[-300:],
                hint="deploy again",
            )

    def _terminate(self, instance_ids: list[str]) -> None:
        terminate_instances(self.access.clients, instance_ids)


def workers_if_reachable(api: RayApi) -> tuple[RayNode, ...] | None:
    """Return the workers that are alive; None if Ray does not answer at the moment."""
    try:
        return alive_workers(api)
    except Unreachable:
        return None


def drain_command(address: str, node: str, seconds: int) -> str:
    """Return the shell command that drains one node, to run on the head."""
    words = [
        *(RAY_COMMAND, "drain-node", "--address", f"{address}:{GCS_PORT}", "--node-id", node),
        *("--reason", REASON, "--reason-message", "replaced by another release"),
        *("--deadline-remaining-seconds", str(seconds)),
    ]
    return shlex.join(words)
