"""Wait for heads, endpoint and workers of a cluster; tell why they do not come. Reads AWS only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from common.clients import Clients
from common.environment import Environment
from common.errors import TimedOut, Unhealthy
from common.progress import Progress
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.activities import Failure, find_failures
from deploy.cluster.head_group import HeadGroup, find_group
from deploy.cluster.instance_output import bootstrap_log, console_output
from deploy.cluster.ray_api import RayApi, Unreachable, alive_workers
from deploy.cluster.state import find_alarms, find_instances, find_lease, find_targets
from deploy.foundation.stack import Foundation
from node.contract import GUARD_PORT, LEADER_PATH

T = TypeVar("T")

# One launch may fail for a reason that passes; the second one ends the wait.
ATTEMPTS = 2
# After the hook has given up, its activity says so a little later.
MARGIN = 60
NOT_YET = "not registered yet"
# A new target gets traffic 180 to 300 s after its registration.
ENDPOINT_SECONDS = 600
EVERY = 2.0
ALARMS_EVERY = 5.0


# What is seen of the group and its members in service; None while these are too few.
LookAtHeads = Callable[[HeadGroup | None, list[str]], Seen[str] | None]


class HeadFailed(Unhealthy):
    """The group's heads do not come into service."""


@dataclass(frozen=True)
class Watch:
    """Looks at one cluster until it is as far as it shall be.

    ``known`` are the failures from before this deploy.
    """

    clients: Clients
    environment: Environment
    clock: Clock
    progress: Progress
    known: frozenset[str] = frozenset()

    def heads(self, count: int, version: int) -> str:
        """Wait for so many heads of that version in service, one of which leads; return its id.

        Raises HeadFailed, also when a head of another version leads, or TimedOut.
        """

        def led(group: HeadGroup | None, serving: list[str]) -> Seen[str] | None:
            lease = find_lease(self.clients, self.environment)
            leader = lease.holder if lease and not lease.released else ""
            check_version(group, leader, version)
            if len(serving) < count:
                return None
            if leader not in serving:
                return Seen(None, f"{', '.join(serving)} in service, nobody leads yet")
            return Seen(leader, f"{leader} leads")

        return self._in_service(version, led)

    def endpoint(
        self, foundation: Foundation, api: Callable[[], RayApi], version: int, seconds: float
    ) -> str:
        """Wait until every port leads to the leader, and Ray answers there; return the leader's id.

        Raises HeadFailed when a head of another version leads, or TimedOut.
        """
        return self._wait(
            f"{self.environment.head_dns}",
            lambda: self._endpoint(foundation, api, version),
            seconds,
            hint=f"the load balancer asks the head's port {GUARD_PORT} for {LEADER_PATH}: "
            "see the security groups, and `systemctl status ray-head` on the head",
        )

    def workers(self, least: int) -> int:
        """Wait until so many workers run; return how many do."""
        return self._wait(
            f"workers of {self.environment.name}",
            lambda: self._workers(least),
            self.environment.limits.workers_ready_seconds,
            hint="the autoscaler on the head launches them: `ray status` there says why not",
        )

    def rejoined(self, api: Callable[[], RayApi], survivors: frozenset[str], seconds: float) -> int:
        """Wait until workers with these addresses that still run are alive; return how many are."""
        return self._wait(
            f"workers of {self.environment.name} back",
            lambda: self._rejoined(api, survivors),
            seconds,
            hint="`journalctl -u ray-worker -u ray-watchdog` on a worker says why not",
        )

    def standby(self, count: int, version: int, foundation: Foundation) -> str:
        """Wait for so many heads of that version in service, whoever leads; return their ids.

        The load balancer must send them traffic already, so that clients find the next leader as
        soon as it leads: a new target takes minutes. Raises HeadFailed or TimedOut, both with the
        reason.
        """

        def sent_traffic(_: HeadGroup | None, serving: list[str]) -> Seen[str] | None:
            if len(serving) < count:
                return None
            targets = find_targets(self.clients, foundation.target_group_arns)
            words = {
                f"{name} {dict(t.health).get(name, NOT_YET)}"
                for name in serving
                for t in targets
                if name not in t.healthy
            }
            if words:
                return Seen(None, f"in service; the load balancer: {', '.join(sorted(words))}")
            return Seen(", ".join(serving), "")

        return self._in_service(version, sent_traffic)

    def followed(self, heads: set[str], uri: str) -> str:
        """Wait until the leader, if it is one of ``heads``, works by that configuration."""

        def look() -> Seen[str]:
            lease = find_lease(self.clients, self.environment)
            if lease is None or lease.released:
                return Seen(None, "nobody leads")
            if lease.holder not in heads or lease.autoscaler == uri:
                return Seen(uri, "")
            return Seen(None, f"{lease.holder} works by {lease.autoscaler or 'an unknown one'}")

        return self._wait(
            "the head's autoscaler configuration", look, 120.0, hint="`journalctl -u ray-head`"
        )

    def quiet(self, seconds: float) -> str:
        """See no alarm begin to ring for so long, and none ring then; raises Unhealthy otherwise.

        One that rings at the start may be what this rollout mends: it has until the end.
        """
        until = self.clock.now() + seconds
        old: set[str] | None = None

        def look() -> Seen[str]:
            nonlocal old
            alarms = find_alarms(self.clients, self.environment.name)
            ringing = {a.name: a.reason for a in alarms if a.state == "ALARM"}
            old = ringing.keys() & (ringing.keys() if old is None else old)
            left = until - self.clock.now()
            bad = ringing if left <= 0 else {n: ringing[n] for n in ringing.keys() - old}
            if bad:
                raise Unhealthy(
                    "an alarm rings: " + "; ".join(f"{n}: {why}" for n, why in bad.items()),
                    hint="docs/runbooks/ has a page for each",
                )
            still = f", {', '.join(sorted(old))} still rings" if old else ""
            return Seen(
                f"{len(alarms)} are quiet" if left <= 0 else None, f"{left:.0f} s left{still}"
            )

        return self._wait(
            "a quiet cluster", look, seconds + 60.0, hint="deploy again", every=ALARMS_EVERY
        )

    def _wait(
        self,
        what: str,
        look: Callable[[], Seen[T]],
        seconds: float,
        hint: str,
        every: float = EVERY,
    ) -> T:
        return wait_for(
            what,
            look,
            clock=self.clock,
            seconds=seconds,
            every=every,
            hint=hint,
            progress=self.progress.say,
        )

    def _in_service(self, version: int, look: LookAtHeads) -> str:
        """Wait for heads of that version in service, until ``look`` has what it looks for."""
        began = self.clock.now()
        try:
            return self._wait(
                f"heads of {self.environment.head_group}",
                lambda: self._heads(version, round(self.clock.now() - began), look),
                self.environment.limits.head_ready_seconds + MARGIN,
                hint="mend the cause and deploy again",
            )
        except TimedOut as error:
            raise TimedOut(error.message + self._logs(), hint=error.hint) from error

    def _heads(self, version: int, seconds: int, look: LookAtHeads) -> Seen[str]:
        group = find_group(
            self.clients, self.environment.head_group, self.environment.names.lifecycle_hook
        )
        members = group.members if group else ()
        serving = [m.instance_id for m in members if m.serves and m.template_version == version]
        if seen := look(group, serving):
            return seen
        failures = self._failures()
        if len(failures) >= ATTEMPTS:
            raise self._failed(failures)
        words = ", ".join(f"{member.instance_id} {member.state}" for member in members)
        tried = f"; before: {failures[-1].reason}" if failures else ""
        return Seen(None, f"{words or 'no instance yet'} ({seconds} s){tried}")

    def _failures(self) -> list[Failure]:
        found = find_failures(self.clients, self.environment.head_group)
        return [failure for failure in found if failure.id not in self.known]

    def _logs(self) -> str:
        """Return what the heads that never reported say in their logs."""
        group = find_group(self.clients, self.environment.head_group, "")
        silent = [m.instance_id for m in (group.members if group else ()) if not m.serves]
        said = {name: bootstrap_log(self.clients, name, clock=self.clock) for name in silent}
        return "".join(f"\n{name} says:\n{words}" for name, words in said.items() if words)

    def _failed(self, failures: list[Failure]) -> HeadFailed:
        last = failures[-1]
        said = console_output(self.clients, last.instance_id) if last.instance_id else ""
        return HeadFailed(
            f"{len(failures)} heads did not come into service; the last one "
            f"({last.instance_id or 'never launched'}): {last.reason}"
            + (f"\nits last words:\n{said}" if said else ""),
            hint="mend the cause and deploy again",
        )

    def _endpoint(
        self, foundation: Foundation, api: Callable[[], RayApi], version: int
    ) -> Seen[str]:
        lease = find_lease(self.clients, self.environment)
        if lease is None or lease.released:
            return Seen(None, "nobody leads")
        group = find_group(self.clients, self.environment.head_group, "")
        check_version(group, lease.holder, version)
        targets = find_targets(self.clients, foundation.target_group_arns)
        missing = [t for t in targets if lease.holder not in t.healthy]
        if missing:
            words = sorted({dict(t.health).get(lease.holder, NOT_YET) for t in missing})
            ports = f"{len(targets) - len(missing)} of {len(targets)} ports"
            return Seen(None, f"{ports}; {', '.join(words)}")
        try:
            heads = [node.address for node in api().nodes() if node.leads]
        except Unreachable as error:
            return Seen(None, error.message)
        if heads != [lease.address]:
            return Seen(None, f"Ray's head is {', '.join(heads) or 'nobody'}")
        return Seen(lease.holder, f"leads to {lease.holder}")

    def _rejoined(self, api: Callable[[], RayApi], survivors: frozenset[str]) -> Seen[int]:
        found = find_instances(self.clients, self.environment.name)
        expected = {i.address for i in found if i.state == "running"} & survivors
        try:
            alive = {worker.address for worker in alive_workers(api())}
        except Unreachable as error:
            return Seen(None, error.message)
        back = len(expected & alive)
        return Seen(
            back if back == len(expected) else None, f"{back} of {len(expected)} workers back"
        )

    def _workers(self, least: int) -> Seen[int]:
        found = [
            i for i in find_instances(self.clients, self.environment.name) if i.role == "worker"
        ]
        running = sum(instance.state == "running" for instance in found)
        words = ", ".join(f"{instance.id} {instance.state}" for instance in found)
        return Seen(running if running >= least else None, words or "none launched yet")


def check_version(group: HeadGroup | None, leader: str, version: int) -> None:
    """Raise HeadFailed when a member of another version that serves leads."""
    stale = [m.instance_id for m in group.stale(version) if m.serves] if group else []
    if leader in stale:
        raise HeadFailed(
            f"{leader}, of another version, leads: the new head did not get the lease, "
            "or did not keep it",
            hint="`journalctl -u ray-head` on the new head says why; where there is none, "
            "deploy again",
        )
