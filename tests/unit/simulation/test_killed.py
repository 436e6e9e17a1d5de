"""A deployer that dies anywhere: running the same command again completes it.

The deploy runs once; before every call to AWS a copy of the whole process is made in which the
deployer dies right there, and the command is run again. Between two calls nothing changes, so these
are all the places to die in. ``RAYKILN_THOROUGH=1`` dies at every call, else at every n-th.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.unit.simulation.conftest import THOROUGH, Cluster, Deployed, sized
from tests.unit.simulation.faulty_calls import SERVICES, Killed
from tests.unit.simulation.forks import Copy, tell

pytestmark = pytest.mark.thorough
LATER = 45.0  # seconds; every other deployer is started again only then


@dataclass
class Deaths:
    """Dies in a copy at every ``stride``-th call, and keeps how each rerun failed."""

    cluster: Cluster
    rerun: Callable[[], None]
    stride: int
    calls: int = 0
    copy: Copy | None = None
    failures: dict[int, str] = field(default_factory=dict)
    tried: list[int] = field(default_factory=list)

    def at_call(self, **_: object) -> None:
        """Before a request is sent."""
        self.calls += 1
        if self.copy or self.calls % self.stride:
            return
        copy = Copy(self.cluster.cloud.folder)
        if copy.is_this:
            self.copy = copy
            raise Killed
        failure = copy.failure()
        self.tried.append(self.calls)
        if failure:
            self.failures[self.calls] = failure

    def of(self, command: Callable[[], object]) -> None:
        """Run a command, dying on the way."""
        clients = self.cluster.cloud.clients
        before = clients.calls
        for service in SERVICES:
            clients(service).meta.events.register_first("before-send", self.at_call)
        try:
            command()
        except Killed:
            assert self.copy is not None
            os._exit(tell(self.copy, self._again))
        assert self.calls == clients.calls - before, "SERVICES is not all that deploy calls"

    def _again(self) -> None:
        if self.calls % 2:
            self.cluster.cloud.clock.sleep(LATER)
        self.rerun()


def test_a_deployer_killed_at_any_call_is_finished_by_the_next(
    deployed: Deployed, record_property: Callable[[str, object], None]
) -> None:
    cluster = Cluster(deployed.cloud, sized(1, name="fresh"))

    def rerun() -> None:
        cluster.deploy()
        assert cluster.prepare().rollout.plan.is_empty
        assert cluster.failed_checks() == []

    deaths = Deaths(cluster, rerun, stride=1 if THOROUGH else 97)
    deaths.of(cluster.deploy)

    record_property("deaths", f"{len(deaths.tried)} of {deaths.calls} calls")
    print(f"died at {len(deaths.tried)} of {deaths.calls} calls of a deploy")
    assert deaths.failures == {}
    assert len(deaths.tried) == deaths.calls // deaths.stride


def test_a_destroyer_killed_at_any_call_is_finished_by_the_next(
    deployed: Deployed, record_property: Callable[[str, object], None]
) -> None:
    cluster = deployed.single

    def rerun() -> None:
        cluster.destroy()
        assert cluster.destroy() == ()
        assert cluster.cloud.rays.running(cluster.name) is None
        assert cluster.worker_ids == set()

    deaths = Deaths(cluster, rerun, stride=1 if THOROUGH else 20)
    deaths.of(cluster.destroy)

    record_property("deaths", f"{len(deaths.tried)} of {deaths.calls} calls")
    print(f"died at {len(deaths.tried)} of {deaths.calls} calls of a destroy")
    assert deaths.failures == {}
    assert len(deaths.tried) == deaths.calls // deaths.stride
