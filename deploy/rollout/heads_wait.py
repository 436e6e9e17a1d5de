"""Wait for heads of one template version; tell why they do not come. Reads AWS only."""

from collections.abc import Callable
from dataclasses import dataclass

from common.errors import TimedOut
from common.waiting import Seen
from deploy.cluster.head_group import HeadGroup
from deploy.cluster.state import find_lease, find_targets
from deploy.rollout.cluster_access import ClusterAccess
from deploy.rollout.head_failures import HINT, HeadFailures, check_leader_version

# One launch may fail for a reason that passes; the second failure ends the wait.
ATTEMPTS = 2
# Seconds from the hook's timeout until its activity has failed.
MARGIN = 60
NOT_REGISTERED = "not registered yet"

# From the group and the ids of its heads in service: what is seen; None while there are too few.
LookAtHeads = Callable[[HeadGroup | None, list[str]], Seen[str] | None]


@dataclass(frozen=True)
class HeadsWait:
    """Waits for heads of template version ``version`` to come into service.

    Every wait raises HeadFailed after two failed launches, and TimedOut, both with the reason.
    """

    access: ClusterAccess
    failures: HeadFailures
    version: int

    def leader(self, count: int) -> str:
        """Wait for ``count`` heads in service, one of which leads; return the leader's id.

        Also raises HeadFailed if a head of another version leads.
        """

        def led(group: HeadGroup | None, serving: list[str]) -> Seen[str] | None:
            lease = find_lease(self.access.clients, self.access.environment)
            leader = lease.holder if lease and not lease.released else ""
            check_leader_version(group, leader, self.version)
            if len(serving) < count:
                return None
            if leader not in serving:
                return Seen(None, f"{', '.join(serving)} in service, no leader yet")
            return Seen(leader, f"{leader} leads")

        return self._in_service(led)

    def standbys(self, count: int, target_group_arns: tuple[str, ...]) -> str:
        """Wait for ``count`` heads in service, whichever head leads; return their ids.

        They must be healthy targets already, so that clients reach the next leader as soon as it
        leads: a new target takes minutes.
        """

        def healthy(_: HeadGroup | None, serving: list[str]) -> Seen[str] | None:
            if len(serving) < count:
                return None
            targets = find_targets(self.access.clients, target_group_arns)
            words = {
                f"{name} {dict(t.health).get(name, NOT_REGISTERED)}"
                for name in serving
                for t in targets
                if name not in t.healthy
            }
            if words:
                return Seen(None, f"in service; the load balancer: {', '.join(sorted(words))}")
            return Seen(", ".join(serving), "")

        return self._in_service(healthy)

    def _in_service(self, look: LookAtHeads) -> str:
        """Wait until ``look`` has seen what it looks for."""
        began = self.access.clock.now()
        try:
            return self.access.wait_until(
                f"heads of {self.access.environment.head_group}",
                lambda: self._heads(round(self.access.clock.now() - began), look),
                seconds=self.access.environment.limits.head_ready_seconds + MARGIN,
                hint=HINT,
            )
        except TimedOut as error:
            raise TimedOut(error.message + self.failures.logs(), hint=error.hint) from error

    def _heads(self, seconds: int, look: LookAtHeads) -> Seen[str]:
        group = self.access.head_group()
        members = group.members if group else ()
        serving = [
            m.instance_id for m in members if m.serves and m.template_version == self.version
        ]
        if seen := look(group, serving):
            return seen
        failures = self.failures.found(self.version)
        if len(failures) >= ATTEMPTS:
            raise self.failures.error(failures)
        words = ", ".join(f"{member.instance_id} {member.state}" for member in members)
        failed = f"; a launch failed: {failures[-1].reason}" if failures else ""
        return Seen(None, f"{words or 'no instance yet'} ({seconds} s){failed}")
