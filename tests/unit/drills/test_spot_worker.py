"""Which worker a drill takes that EC2 may interrupt."""

import pytest

from deploy.cluster.instances import Instance
from drills.kit import cluster as module
from drills.kit.cluster import DrillFailed
from drills.kit.phases import InitialState
from tests.unit.drills.test_run import a_cluster

TWO = InitialState(1, "i-0", ("i-0",), {"i-1": "10.0.0.1", "i-2": "10.0.0.2"}, frozenset())


def a_worker(id: str, market: str, group: str) -> Instance:
    return Instance(
        *(id, "worker", "running", "m6i.large", "ami-1", "10.0.0.1", "us-east-1a", "", "", ""),
        market=market,
        group=group,
    )


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One on demand, one on spot, and one on spot that was launched after the drill began."""
    found = (
        a_worker("i-1", "on-demand", "first"),
        a_worker("i-3", "spot", "second"),
        a_worker("i-2", "spot", "second"),
    )
    monkeypatch.setattr(module, "find_instances", lambda *_: found)


def test_it_is_an_initial_worker_on_spot_of_these_groups() -> None:
    cluster = a_cluster()
    cluster.initial = TWO

    assert cluster.spot_worker(["first", "second"]) == "i-2"


def test_without_one_the_drill_fails_and_says_what_to_deploy() -> None:
    cluster = a_cluster()
    cluster.initial = TWO

    with pytest.raises(DrillFailed, match="no worker is a spot instance") as failed:
        cluster.spot_worker(["first"])

    assert failed.value.hint == 'deploy a group with market = "spot" and min = 1 or more'
