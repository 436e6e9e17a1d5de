"""Why heads do not come into service: failed launches, consoles and logs. Reads AWS only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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

    ``earlier`` are the ids of failures from before it, which say nothing about it; ``versions`` are
    the template versions of the heads that there were when it began.
    """

    access: ClusterAccess
    earlier: frozenset[str] = frozenset()
    versions: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_now_on(cls, access: ClusterAccess) -> "HeadFailures":
        """Return the failures that are still to come; those until now are the earlier ones."""
        group = access.head_group()
        if group is None:
            return cls(access)
        found = find_failures(access.clients, access.environment.head_group)
        versions = {member.instance_id: member.template_version for member in group.members}
        return cls(access, frozenset(failure.id for failure in found), versions)

    def found(self, version: int) -> list[Failure]:
        """Return the failed launches of this rollout, oldest first.

        Heads of another version than ``version``, left by a deployer that stopped, are terminated
        before they come into service: that is no failure of this rollout's.
        """
        found = find_failures(self.access.clients, self.access.environment.head_group)
        return [
            failure
            for failure in found
            if failure.id not in self.earlier
            and self.versions.get(failure.instance_id, version) == version
        ]

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
