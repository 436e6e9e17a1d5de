"""Clusters in a simulated cloud, and the commands an operator has."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from deploy import verify
from deploy.checks import Check
from deploy.clients import Clients
from deploy.environment import Environment
from deploy.prepare import Prepared, prepare_deploy, prepare_destroy
from deploy.progress import Progress, Silent
from deploy.ray_api import RayNode, Unreachable
from deploy.state import ClusterState, read_state
from deploy.steps import Done
from localcloud.simulation.cloud import Cloud, simulated_cloud
from localcloud.simulation.machine import Machine
from tests.unit.deploy.builders import an_environment

DASHBOARD = 8265


@dataclass
class Cluster:
    """One environment in a simulated cloud."""

    cloud: Cloud
    environment: Environment

    @property
    def name(self) -> str:
        """The environment's name, which is the cluster's for Ray."""
        return self.environment.name

    def prepare(self, clients: Clients | None = None) -> Prepared:
        """Plan a deploy, which will be verified from outside."""
        mine, clock = clients or self.cloud.clients, self.cloud.clock
        check = verify.verifier(mine, self.environment, clock=clock)
        return prepare_deploy(self.environment, mine, clock=clock, verify=check)

    def deploy(
        self, progress: Progress | None = None, clients: Clients | None = None
    ) -> tuple[Done, ...]:
        """Plan a deploy and carry it out."""
        return self.prepare(clients).rollout.run(progress or Silent())

    def destroy(self, clients: Clients | None = None) -> tuple[Done, ...]:
        """Remove the cluster."""
        mine = clients or self.cloud.clients
        ready = prepare_destroy(self.environment, mine, clock=self.cloud.clock)
        return ready.run(Silent())

    def checks(self) -> tuple[Check, ...]:
        """Return the acceptance list as of now."""
        return verify.run_checks(self.cloud.clients, self.environment, clock=self.cloud.clock)

    def state(self) -> ClusterState:
        """Look at the cluster."""
        return read_state(self.cloud.clients, self.environment)

    def leader(self) -> Machine:
        """Return the machine that leads; fails when none does."""
        found = self.cloud.leader(self.name)
        assert found is not None, "nobody leads"
        return found

    def leads_again(self, before: Machine, within: float) -> float:
        """Wait for another leader than before; return after how many seconds there was one."""
        return self.cloud.clock.until(
            lambda: self.cloud.leader(self.name) not in (None, before), within, "another leader"
        )

    def joined(self, count: int, within: float) -> float:
        """Wait until so many workers are alive; return after how many seconds they were."""
        return self.cloud.clock.until(
            lambda: self.cloud.rays.worker_count(self.name) == count, within, f"{count} workers"
        )


@dataclass(frozen=True)
class FakeRayApi:
    """The dashboard at the stable name (``deploy.ray_api.RayApi``)."""

    cloud: Cloud
    environment: Environment

    def nodes(self) -> tuple[RayNode, ...]:
        """See deploy.ray_api.RayApi."""
        address = self.cloud.names.address(self.environment.head_dns)
        target = self.cloud.names.target(address, DASHBOARD)
        head = self.cloud.rays.running(self.environment.name)
        if head is None or not head.answers or head.machine.address != target:
            raise Unreachable(f"{self.environment.head_dns} does not answer")
        return tuple(
            RayNode(r.node_id.hex(), r.machine.address, r is head.own, "ALIVE")
            for r in head.nodes.values()
        )


Start = Callable[..., Cluster]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A cloud with verified images, seen from inside its VPC."""
    with simulated_cloud() as cloud:
        see_from_inside(cloud, monkeypatch)
        cloud.bake("head")
        cloud.bake("worker")
        yield cloud


def see_from_inside(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have deploy's own look at names and at Ray meet the simulation."""

    def addresses(name: str) -> frozenset[str]:
        return frozenset(cloud.names.addresses(name))

    def api(clients: Clients, environment: Environment) -> FakeRayApi:
        return FakeRayApi(cloud, environment)

    monkeypatch.setattr(verify, "addresses", addresses)
    monkeypatch.setattr(verify, "ray_api", api)


@pytest.fixture
def start(cloud: Cloud) -> Start:
    """Deploy a cluster whose environment has these changes; ``workers`` is their number."""

    def started(workers: int = 2, **changes: Any) -> Cluster:
        cluster = Cluster(cloud, sized(workers, **changes))
        cluster.deploy()
        return cluster

    return started


def sized(workers: int, **changes: Any) -> Environment:
    """Return an environment with so many workers, at least and at most."""
    kind = {"instance_type": "m6i.large", "cpus": 2, "min": workers, "max": max(workers, 1)}
    return an_environment(workers=kind, **changes)
