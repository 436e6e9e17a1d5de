"""The heads of an environment, their leader, and the one an operator selects. Reads AWS only."""

from dataclasses import dataclass

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused
from deploy.cluster.head_group import HeadGroup, find_group
from deploy.cluster.instances import find_instances
from deploy.cluster.state import Lease, find_lease, leader_id
from deploy.foundation.pause import paused_error


@dataclass(frozen=True)
class Heads:
    """The running head instances, the lease, and the group with its settings, read at once."""

    environment: str
    running: tuple[str, ...]
    lease: Lease | None
    group: HeadGroup | None

    @property
    def leader(self) -> str:
        """Return the running head that holds the lease; empty when there is no leader."""
        return leader_id(self.lease, self.running)

    @property
    def last_leader(self) -> str:
        """Return the current or last holder, running or not; empty before the first."""
        return self.lease.holder if self.lease else ""

    @property
    def standby(self) -> str:
        """Return a head that could lead next: in service, healthy, of the group's own version."""
        if self.group is None:
            return ""
        version = self.group.settings.template_version
        candidates = [m for m in self.group.serving if m.healthy and m.template_version == version]
        names = [m.instance_id for m in candidates if m.instance_id in self.running]
        return next((name for name in names if name != self.last_leader), "")

    def require_leader(self) -> str:
        """Return the leader; raises PipelineError when there is none, Refused when paused."""
        if not self.leader and self.group and self.group.is_paused:
            raise paused_error(self.environment)
        if not self.leader:
            raise PipelineError(
                f"{self.environment} has no leader; running heads: {self._names}",
                hint=f"invoke status --env {self.environment}; docs/runbooks/no-leader.md",
            )
        return self.leader

    def select(self, instance_id: str) -> str:
        """Return the running head of that id, or the leader when the id is empty.

        Raises Refused when it is not a running head, PipelineError when there is no leader.
        """
        if not instance_id:
            return self.require_leader()
        if instance_id not in self.running:
            raise Refused(
                f"{instance_id} is not a running head of {self.environment}",
                hint=f"running heads: {self._names}",
            )
        return instance_id

    @property
    def _names(self) -> str:
        return ", ".join(self.running) or "none"


def find_heads(clients: Clients, environment: Environment) -> Heads:
    """Read the heads of the environment."""
    found = find_instances(clients, environment.name)
    return Heads(
        environment.name,
        tuple(i.id for i in found if i.role == "head" and i.state == "running"),
        find_lease(clients, environment),
        find_group(clients, environment.head_group, environment.names.lifecycle_hook),
    )
