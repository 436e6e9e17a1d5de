"""Clusters in a simulated cloud, and the commands an operator has."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from common.clients import Clients
from common.environment import Environment
from common.progress import Silent
from common.waiting import Clock
from deploy.cluster.state import ClusterState, read_state
from deploy.operate.status import read_status
from deploy.operate.status_report import StatusReport
from deploy.plan.steps import Done
from deploy.release.release import Release
from deploy.release.releases import previous_release_of
from deploy.release.rollout_journal import Journal
from deploy.rollout.operation import Operation
from deploy.rollout.prepare import Prepared, prepare_deploy, prepare_destroy
from deploy.verify import acceptance as verify
from deploy.verify import checked_cluster
from deploy.verify.check import Check
from tests.simulation.cloud import Cloud, simulated_cloud
from tests.simulation.machine import Machine
from tests.simulation.ray import HeadRay
from tests.unit.deploy.builders import an_environment
from tests.unit.simulation.forks import failure_in_a_copy
from tests.unit.simulation.ray_dashboard import FakeRayApi

# Tries everything at full size; without it the same sample each time.
THOROUGH = "RAYKILN_THOROUGH" in os.environ
ROOT = Path(__file__).resolve().parents[3]
CODE = ("common", "deploy", "node", "localcloud", "tests/simulation", "tests/unit/simulation")
STANDBY: dict[str, Any] = {"instance_type": "m6i.large", "standby": 1}
SHORT = {"watch_seconds": 60}


@dataclass
class Cluster:
    """One environment in a simulated cloud."""

    cloud: Cloud
    environment: Environment

    @property
    def name(self) -> str:
        """The environment's name, which is the cluster's for Ray."""
        return self.environment.name

    def prepare(
        self,
        clock: Clock | None = None,
        release: Release | None = None,
        *,
        resumes: bool = False,
    ) -> Prepared:
        """Plan a deploy, which will be verified from outside."""
        return prepare_deploy(
            self.environment,
            self.cloud.clients,
            clock=clock or self.cloud.clock,
            api=lambda: FakeRayApi(self.cloud, self.environment),  # type: ignore[arg-type, return-value]
            release=release,
            resumes=resumes,
        )

    def deploy(
        self, release: Release | None = None, kind: str = "deploy", *, resumes: bool = False
    ) -> Journal | None:
        """Plan a deploy and carry it out, unless the plan is empty, as with --yes."""
        prepared = self.prepare(release=release, resumes=resumes)
        if prepared.rollout.plan.is_empty:
            return None
        operation = self.operation(kind)
        operation.prepare = partial(self.prepare, resumes=resumes)
        operation.agree = lambda changed: True
        return operation.run(prepared)

    def operation(self, kind: str = "deploy") -> Operation:
        """Return the operation that carries out a prepared rollout."""
        clients, clock = self.cloud.clients, self.cloud.clock
        return Operation(self.environment, clients, clock, self.prepare, Silent(), kind)

    def state(self) -> ClusterState:
        """Look at the cluster."""
        return read_state(self.cloud.clients, self.environment)

    def rollback(self) -> Journal | None:
        """Serve the previous release again."""
        release = previous_release_of(self.cloud.clients, self.environment)
        return self.deploy(release, "rollback")

    def destroy(self) -> tuple[Done, ...]:
        """Remove the cluster."""
        clients, clock = self.cloud.clients, self.cloud.clock
        return prepare_destroy(self.environment, clients, clock=clock).run(Silent())

    def checks(self) -> tuple[Check, ...]:
        """Return the acceptance list as of now."""
        return verify.run_checks(self.cloud.clients, self.environment, clock=self.cloud.clock)

    def status(self) -> StatusReport:
        """Return what `invoke status` shows."""
        return read_status(self.environment, self.cloud.clients, clock=self.cloud.clock)

    def leader(self) -> Machine:
        """Return the machine that leads; fails when none does."""
        found = self.cloud.leader(self.name)
        assert found is not None, "no leader"
        return found

    def leads_again(self, before: Machine, within: float) -> float:
        """Wait for another leader than before; return after how many seconds there was one."""
        return self.cloud.clock.until(
            lambda: self.cloud.leader(self.name) not in (None, before), within, "another leader"
        )

    @property
    def life(self) -> HeadRay:
        """The Ray that runs on a head of this cluster; fails when none does."""
        found = self.cloud.rays.running(self.name)
        assert found is not None, "no head runs Ray"
        return found

    @property
    def worker_ids(self) -> set[str]:
        """The instances of this cluster's workers."""
        return {
            instance_id
            for instance_id, worker in self.cloud.nodes.workers.items()
            if worker.identity.environment == self.name
            and instance_id in self.cloud.driver.machines
        }

    @property
    def head_ids(self) -> list[str]:
        """The instances of this cluster's heads whose guard runs."""
        return [
            head.machine.host.instance_id
            for head in self.cloud.heads()
            if head.identity.environment == self.name
        ]

    def failed_checks(self, after: float = 0.0) -> list[str]:
        """Let time pass; then return every line of the acceptance list that fails."""
        self.cloud.clock.sleep(after)
        return [str(check) for check in self.checks() if not check.passed]

    def joined(self, count: int, within: float) -> float:
        """Wait until so many workers are alive; return after how many seconds they were."""
        return self.cloud.clock.until(
            lambda: self.cloud.rays.worker_count(self.name) == count, within, f"{count} workers"
        )


Start = Callable[..., Cluster]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of deployed clusters as slow: each is a deploy, a roll or a failover."""
    here = (item for item in items if item.path.parent == Path(__file__).parent)
    for item in here:
        if isinstance(item, pytest.Function) and "deployed" in item.fixturenames:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test of ``deployed`` on a copy of the process: the next test finds no changes."""
    clusters = pyfuncitem.funcargs.get("deployed")
    if not isinstance(clusters, Deployed):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    failure = failure_in_a_copy(clusters.cloud, lambda: pyfuncitem.obj(**arguments))
    if failure:
        pytest.fail(failure, pytrace=False)
    return True


@dataclass(frozen=True)
class Deployed:
    """Clusters that are deployed once for all tests of the simulation."""

    cloud: Cloud
    single: Cluster
    doubled: Cluster


@pytest.fixture(scope="package")
def deployed() -> Iterator[Deployed]:
    """A cluster with one head and one with a standby, two workers each, in one cloud."""
    with pytest.MonkeyPatch.context() as patches, simulated_cloud() as cloud:
        see_from_inside(cloud, patches)
        cloud.bake("head")
        cloud.bake("worker")
        single = Cluster(cloud, sized(2))
        doubled = Cluster(cloud, sized(2, name="doubled", head=STANDBY))
        single.deploy()
        doubled.deploy()
        yield Deployed(cloud, single, doubled)


@pytest.fixture
def single(deployed: Deployed) -> Cluster:
    """A cluster with one head and two workers, deployed."""
    return deployed.single


@pytest.fixture
def doubled(deployed: Deployed) -> Cluster:
    """A cluster with a leader, a standby and two workers, deployed."""
    return deployed.doubled


def see_from_inside(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have deploy ask Ray in the simulation."""

    def api(clients: Clients, environment: Environment) -> FakeRayApi:
        return FakeRayApi(cloud, environment)

    monkeypatch.setattr(checked_cluster, "ray_api", api)


@pytest.fixture
def start(deployed: Deployed) -> Start:
    """Deploy another cluster beside those, with so many workers and these changes."""

    def started(workers: int = 1, **changes: Any) -> Cluster:
        cluster = Cluster(deployed.cloud, sized(workers, **{"name": "fresh"} | changes))
        cluster.deploy()
        return cluster

    return started


@pytest.fixture
def results(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the file for the results of a test's trials: see test_faults.py."""
    if not THOROUGH:
        return tmp_path / "results"
    files = sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.py"))
    digest = sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    kind = re.sub(r"\W+", "_", request.node.name)
    folder = ROOT / ".raykiln/faults" / digest / os.environ["RAYKILN_THOROUGH"] / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "results"


def sized(workers: int, **changes: Any) -> Environment:
    """Return an environment with so many workers, at least and at most, and a short bake time."""
    kind = {"instance_type": "m6i.large", "min": workers, "max": max(workers, 1)}
    return an_environment(workers=kind, **{"rollout": SHORT} | changes)
