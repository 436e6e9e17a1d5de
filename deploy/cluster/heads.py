"""The heads there are, who leads, and which one an operator means. Reads AWS only."""

from dataclasses import dataclass

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused
from deploy.cluster.head_group import HeadGroup, find_group
from deploy.cluster.state import Lease, find_instances, find_lease


@dataclass(frozen=True)
class Heads:
    """One look: the running head instances, the lease, and the group with its settings."""

    environment: str
    running: tuple[str, ...]
    lease: Lease | None
    group: HeadGroup | None

    @property
    def leader(self) -> str:
        """Return the running head that holds the lease; empty when nobody leads."""
        if self.lease is None or self.lease.released or self.lease.holder not in self.running:
            return ""
        return self.lease.holder

    @property
    def last_leader(self) -> str:
        """Return who holds the lease or held it last, running or not; empty before the first."""
        return self.lease.holder if self.lease else ""

    @property
    def standby(self) -> str:
        """Return a head that could lead next: in service, healthy, of the group's own version."""
        if self.group is None:
            return ""
        version = self.group.settings.template_version
        fit = [m for m in self.group.serving if m.healthy and m.template_version == version]
        names = [m.instance_id for m in fit if m.instance_id in self.running]
        return next((name for name in names if name != self.last_leader), "")

    def leading(self) -> str:
        """Return the leader; raises PipelineError when there is none."""
        if not self.leader:
            raise PipelineError(
                f"nobody leads {self.environment}; running heads: {self._names}",
                hint=f"invoke status --env {self.environment}; docs/runbooks/no-leader.md",
            )
        return self.leader

    def chosen(self, instance_id: str) -> str:
        """Return the running head of that id, or without one the leader.

        Raises Refused for what is no running head, PipelineError when nobody leads.
        """
        if not instance_id:
            return self.leading()
        if instance_id not in self.running:
            raise Refused(
                f"{instance_id} is no running head of {self.environment}",
                hint=f"running heads: {self._names}",
            )
        return instance_id

    @property
    def _names(self) -> str:
        return ", ".join(self.running) or "none"


def find_heads(clients: Clients, environment: Environment) -> Heads:
    """Look at the heads of the environment."""
    found = find_instances(clients, environment.name)
    return Heads(
        environment.name,
        tuple(i.id for i in found if i.role == "head" and i.state == "running"),
        find_lease(clients, environment),
        find_group(clients, environment.head_group, environment.names.lifecycle_hook),
    )
