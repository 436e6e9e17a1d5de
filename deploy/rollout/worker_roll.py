"""Replace stale workers, a few at a time: drain, end, and let Ray's autoscaler launch others.

Touches AWS (EC2, and SSM to drain on the leader) and asks Ray who is alive. Decides from what is
there now, so it can be killed anywhere and run again.
"""

import shlex
from dataclasses import dataclass, field

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, TimedOut, Unhealthy
from common.progress import Progress
from common.waiting import Clock
from deploy.cluster.ray_api import RayApi, RayNode, Unreachable, alive_workers
from deploy.cluster.run_command import run_command
from deploy.cluster.state import Instance, find_instances, find_lease
from deploy.rollout.terminate import terminate_instances
from node.contract import GCS_PORT, RAY_COMMAND

EVERY = 2.0
# Ray's drain refuses only to end a node for being idle that is not (autoscaler.proto).
REASON = "DRAIN_NODE_REASON_PREEMPTION"
# So long may a worker not be alive until it is taken for one that never will be.
ABSENT_SECONDS = 30.0
# Launches that may have been under way when the autoscaler took up its configuration.
UNDER_WAY = 10
# As many as fit a command that SSM takes.
DRAINED_AT_ONCE = 50


@dataclass(frozen=True)
class Sight:
    """The workers at one look: instances, and by address those that Ray counts as alive.

    ``known``: Ray could be asked.
    """

    stale: tuple[Instance, ...]
    fresh: tuple[Instance, ...]
    nodes: dict[str, RayNode]
    known: bool

    @property
    def alive(self) -> int:
        """Return how many instances are alive workers of Ray."""
        return sum(i.address in self.nodes for i in (*self.stale, *self.fresh))

    @property
    def words(self) -> str:
        """Say how far it is."""
        return f"{len(self.stale)} to replace, {len(self.fresh)} new, {self.alive} alive"


@dataclass
class WorkerRoll:
    """Replaces every worker whose content is not ``content``; keeps ``least`` but ``unavailable``.

    ``drain_seconds`` of None ends them at once: their Ray cannot join any more.
    """

    clients: Clients
    environment: Environment
    api: RayApi
    clock: Clock
    content: str
    least: int
    unavailable: int
    drain_seconds: int | None
    _draining: dict[str, float] = field(default_factory=dict)
    _absent: dict[str, float] = field(default_factory=dict)

    def run(self, progress: Progress) -> str:
        """Return what was done, in words; raises TimedOut when nothing moves for too long."""
        patience = self.environment.limits.workers_ready_seconds + (self.drain_seconds or 0)
        replaced: set[str] = set()
        last, moved, most = "", self.clock.now(), 0
        while True:
            sight = self._look()
            replaced.update(worker.id for worker in sight.stale)
            most = most or len(replaced) + UNDER_WAY
            if len(replaced) > most:
                raise Unhealthy(
                    f"the autoscaler of {self.environment.name} still launches workers of another "
                    f"version: {len(replaced)} to replace, and no end",
                    hint="does the leader work by the wanted configuration? "
                    f"invoke status --env {self.environment.name}",
                )
            if not sight.stale and sight.alive >= self.least:
                return f"{len(replaced)} replaced, {sight.alive} alive"
            progress.say(sight.words)
            if sight.words != last:
                last, moved = sight.words, self.clock.now()
            elif self.clock.now() - moved > patience:
                raise TimedOut(
                    f"workers of {self.environment.name}: nothing moved for {patience} s; "
                    f"last seen: {sight.words}",
                    hint="the autoscaler on the head launches them: `ray status` there says why "
                    "not",
                )
            self._act(sight)
            self.clock.sleep(EVERY)

    def _look(self) -> Sight:
        found = find_instances(self.clients, self.environment.name)
        workers = [i for i in found if i.role == "worker" and i.state in ("pending", "running")]
        alive = known_workers(self.api)
        return Sight(
            tuple(i for i in workers if i.content != self.content),
            tuple(i for i in workers if i.content == self.content),
            {node.address: node for node in alive or ()},
            known=alive is not None,
        )

    def _act(self, sight: Sight) -> None:
        if self.drain_seconds is None:
            terminate_instances(self.clients, [worker.id for worker in sight.stale])
            return
        self._end_drained(sight, self.drain_seconds)
        if sight.known:
            self._end_absent(sight)
            self._drain_more(sight, self.drain_seconds)

    def _end_drained(self, sight: Sight, drain_seconds: int) -> None:
        """End those that Ray has let go, and those whose time is up."""
        now = self.clock.now()
        over = [
            worker.id
            for worker in sight.stale
            if worker.id in self._draining
            and (
                (sight.known and worker.address not in sight.nodes)
                or now >= self._draining[worker.id] + drain_seconds
            )
        ]
        terminate_instances(self.clients, over)

    def _end_absent(self, sight: Sight) -> None:
        """End stale workers that do not come, while no more are out than may be."""
        now = self.clock.now()
        absent = [w.id for w in sight.stale if w.address not in sight.nodes]
        self._absent = {name: self._absent.get(name, now) for name in absent}
        if self.least - sight.alive > self.unavailable:
            return
        over = [name for name, since in self._absent.items() if now - since >= ABSENT_SECONDS]
        terminate_instances(self.clients, over[: self.unavailable])

    def _drain_more(self, sight: Sight, drain_seconds: int) -> None:
        """Drain as many as may be out beside those that are."""
        stale = {worker.id for worker in sight.stale}
        out = len(stale & self._draining.keys()) + max(0, self.least - sight.alive)
        waiting = [
            worker
            for worker in sorted(sight.stale, key=lambda worker: worker.id)
            if worker.id not in self._draining and worker.address in sight.nodes
        ]
        chosen = waiting[: max(0, min(self.unavailable - out, DRAINED_AT_ONCE))]
        if chosen:
            self._drain([sight.nodes[worker.address].id for worker in chosen], drain_seconds)
        now = self.clock.now()
        self._draining.update({worker.id: now for worker in chosen})

    def _drain(self, nodes: list[str], drain_seconds: int) -> None:
        lease = find_lease(self.clients, self.environment)
        if lease is None or lease.released:
            raise PipelineError("nobody leads, so that no worker can be drained")
        commands = [drain_command(lease.address, node, drain_seconds) for node in nodes]
        ran = run_command(
            self.clients,
            lease.holder,
            " && ".join(commands),
            clock=self.clock,
            seconds=60 + 5 * len(nodes),
        )
        if not ran.succeeded:
            raise PipelineError(
                f"draining on {lease.holder} ended with {ran.status} {ran.exit_code}: "
                + (ran.stdout + ran.stderr).strip()[-300:],
                hint="deploy again",
            )


def known_workers(api: RayApi) -> tuple[RayNode, ...] | None:
    """Return the workers that are alive, or None when Ray cannot be asked at the moment."""
    try:
        return alive_workers(api)
    except Unreachable:
        return None


def drain_command(address: str, node: str, seconds: int) -> str:
    """Return the shell command that drains one node, to run on the head."""
    words = [
        *(RAY_COMMAND, "drain-node", "--address", f"{address}:{GCS_PORT}", "--node-id", node),
        *("--reason", REASON, "--reason-message", "another release takes its place"),
        *("--deadline-remaining-seconds", str(seconds)),
    ]
    return shlex.join(words)
