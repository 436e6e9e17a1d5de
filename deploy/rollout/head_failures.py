"""Why heads do not come into service: failed launches, consoles and logs. Reads AWS only."""

from dataclasses import dataclass

from common.errors import Unhealthy
from deploy.cluster.activities import Failure, find_failures
from deploy.cluster.head_group import HeadGroup
from deploy.cluster.instance_output import bootstrap_log, console_output
from deploy.rollout.cluster_access import ClusterAccess

HINT = "fix the cause and deploy again"


class HeadFailed(Unhealthy):
    """The group's heads do not come into service, or a stale one leads."""


@dataclass(frozen=True)
class HeadFailures:
    """The launches of heads that failed during this rollout.

    ``earlier`` are the ids of failures from before it, which say nothing about it.
    """

    access: ClusterAccess
    earlier: frozenset[str] = frozenset()

    @classmethod
    def from_now_on(cls, access: ClusterAccess) -> "HeadFailures":
        """Return the failures that are still to come; those until now are the earlier ones."""
        if access.head_group() is None:
            return cls(access)
        found = find_failures(access.clients, access.environment.head_group)
        return cls(access, frozenset(failure.id for failure in found))

    def found(self) -> list[Failure]:
        """Return the failed launches of this rollout, oldest first."""
        found = find_failures(self.access.clients, self.access.environment.head_group)
        return [failure for failure in found if failure.id not in self.earlier]

    def error(self, failures: list[Failure]) -> HeadFailed:
        """Return the error that names the last failure, with the end of that head's console."""
        last = failures[-1]
        said = console_output(self.access.clients, last.instance_id) if last.instance_id else ""
        return HeadFailed(
            f"{len(failures)} heads did not come into service; the last one "
            f"({last.instance_id or 'never launched'}): {last.reason}"
            + (f"\nthe end of its console:\n{said}" if said else ""),
            hint=HINT,
        )

    def logs(self) -> str:
        """Return the last lines of the log of each head that is not in service."""
        group = self.access.head_group()
        waiting = [m.instance_id for m in (group.members if group else ()) if not m.serves]
        clients, clock = self.access.clients, self.access.clock
        said = {name: bootstrap_log(clients, name, clock=clock) for name in waiting}
        return "".join(f"\n{name} says:\n{words}" for name, words in said.items() if words)


def check_leader_version(group: HeadGroup | None, leader: str, version: int) -> None:
    """Raise HeadFailed if a stale head that is in service leads."""
    stale = [m.instance_id for m in group.stale(version) if m.serves] if group else []
    if leader in stale:
        raise HeadFailed(
            f"{leader}, of another version, leads: the new head did not get the lease, "
            "or did not keep it",
            hint="`journalctl -u ray-head` on the new head says why; if there is no new head, "
            "deploy again",
        )
