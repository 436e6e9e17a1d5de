"""One run of a drill: faults are repaired in every case, and the observations are recorded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, cast

import pytest

from common.progress import Silent
from drills.kit import run as module
from drills.kit.client import JobAttempt
from drills.kit.cluster import ClusterUnderTest, DrillFailed
from drills.kit.phases import InitialState, LeaseReading, NodesReading, Observations, Recovery
from drills.kit.record import Run
from drills.kit.registry import Drill
from drills.kit.run import run_drill
from tests.unit.deploy.builders import an_environment

FAULT_AT = 1_000.0
INITIAL = InitialState(4, "i-old", ("i-old",), {"i-1": "10.0.0.11"}, frozenset({"node-1"}))
Inject = Callable[[ClusterUnderTest], None]


class SleepClock:
    """A clock that advances only by sleeping."""

    def __init__(self) -> None:
        self.at = FAULT_AT

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class FakeObserver:
    """An observer that has all its observations from the start."""

    def __init__(self, observations: Observations) -> None:
        self.observations = observations

    @contextmanager
    def observing(self, job_every: float) -> Iterator[None]:
        yield


def a_drill(run: Inject, recovery: Recovery = Recovery.NONE, **facts: Any) -> Drill:
    found = ModuleType("drills.example", "An example.")
    vars(found).update(run=run, RECOVERY=recovery, **facts)
    return Drill(found)


def a_cluster(seen: Observations | None = None) -> ClusterUnderTest:
    unused = cast(Any, None)
    observer = cast(Any, FakeObserver(seen or Observations()))
    return ClusterUnderTest(
        an_environment(), unused, SleepClock(), unused, INITIAL, observer, Silent()
    )


def do(drill: Drill, cluster: ClusterUnderTest) -> Run:
    return run_drill(drill, cluster, job_every=0.2)


@pytest.fixture(autouse=True)
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "await_recovered", lambda cluster: 2.0)


def with_fault(cluster: ClusterUnderTest) -> None:
    cluster.record_fault("something", at=FAULT_AT)


def test_a_drill_after_which_the_cluster_is_healthy_has_held() -> None:
    run = do(a_drill(with_fault), a_cluster())

    assert (run.verdict, run.seen, run.broken) == ("held", "", ("something",))
    assert run.figures == {"whole again": 2.0}


def test_faults_are_repaired_before_the_cluster_must_be_healthy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []

    def await_recovered(cluster: ClusterUnderTest) -> float:
        order.append("checked")
        return 0.0

    monkeypatch.setattr(module, "await_recovered", await_recovered)

    def run(cluster: ClusterUnderTest) -> None:
        cluster.cleanup.callback(order.append, "repaired")
        with_fault(cluster)

    do(a_drill(run), a_cluster())

    assert order == ["repaired", "checked"]


def test_an_interrupt_repairs_the_faults() -> None:
    done: list[str] = []

    def run(cluster: ClusterUnderTest) -> None:
        cluster.cleanup.callback(done.append, "repaired")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(a_drill(run), a_cluster())

    assert done == ["repaired"]


def test_a_failed_drill_is_recorded_with_its_reason() -> None:
    def run(cluster: ClusterUnderTest) -> None:
        with_fault(cluster)
        raise DrillFailed("two heads")

    run_ = do(a_drill(run), a_cluster())

    assert (run_.verdict, run_.seen) == ("failed", "two heads")


def test_a_drill_without_a_fault_fails() -> None:
    assert do(a_drill(lambda cluster: None), a_cluster()).seen == "no fault was injected"


def test_a_recovery_that_takes_too_long_fails() -> None:
    seen = Observations(
        [LeaseReading(FAULT_AT + 9, "i-new", "10.0.0.2", 5, False)],
        [NodesReading(FAULT_AT + 90, frozenset({"10.0.0.2"}), frozenset({"node-2"}))],
        [JobAttempt(FAULT_AT + 90, FAULT_AT + 91, True)],
    )
    drill = a_drill(with_fault, Recovery.HEAD, WITHIN=60)

    run = do(drill, a_cluster(seen))

    assert run.verdict == "failed"
    assert "not within 60 s: Ray answers after 90 s" in run.seen
    assert run.phases["lease taken"] == 9
