"""The cluster under test, as its checks see it. Touches AWS and the cluster; changes nothing."""

from dataclasses import dataclass
from functools import cached_property

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused
from common.waiting import Clock
from deploy.cluster.instances import Instance, find_instances
from deploy.cluster.ray_access import ray_api
from deploy.cluster.ray_api import RayApi
from deploy.cluster.state import find_lease
from deploy.foundation.stack import Foundation, find_foundation
from deploy.release.config_bucket import current_release
from deploy.release.release import Release


@dataclass(frozen=True)
class CheckedCluster:
    """The cluster under test; ``rolled`` is the release that is rolled out meanwhile, if any."""

    clients: Clients
    environment: Environment
    clock: Clock
    rolled: Release | None = None

    @property
    def rolls_out(self) -> bool:
        """Workers of another version are still there, and will be replaced."""
        return self.rolled is not None

    @cached_property
    def release(self) -> Release:
        """What the cluster should serve: what is rolled out, or was last."""
        name = self.environment.name
        found = self.rolled or current_release(self.clients, self.foundation.bucket_name, name)
        if found is None:
            raise Refused(f"no deploy of {name} has finished", hint=f"invoke deploy --env {name}")
        return found

    @cached_property
    def foundation(self) -> Foundation:
        """The stack's outputs; raises Refused when there is no usable stack."""
        found = find_foundation(self.clients, self.environment)
        if found is None:
            name = self.environment.name
            raise Refused(f"{name} is not deployed", hint=f"invoke deploy --env {name}")
        return found

    @cached_property
    def api(self) -> RayApi:
        """Ray at the stable name."""
        return ray_api(self.clients, self.environment)

    def now_at_aws(self) -> float:
        """Return seconds since the epoch by AWS's clock."""
        return self.clock.now() + self.clients.ahead

    def instances(self, role: str, *, leaving: bool = False) -> tuple[Instance, ...]:
        """Return the running instances of a role; with ``leaving``, all that are not gone yet."""
        found = find_instances(self.clients, self.environment.name)
        return tuple(i for i in found if i.role == role and (leaving or i.state == "running"))

    def leader(self) -> Instance:
        """Return the running head that holds the lease; raises PipelineError when none does."""
        lease = find_lease(self.clients, self.environment)
        if lease is None or lease.released:
            raise PipelineError("no instance holds the head lease")
        for instance in self.instances("head"):
            if instance.id == lease.holder:
                return instance
        raise PipelineError(f"{lease.holder} holds the head lease but is not a running head")
