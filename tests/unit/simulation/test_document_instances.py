"""What drills lose of a pipeline on a cluster, on simulated instances: who is lost, who is back."""

from typing import Any

import pytest

from deploy.documents.pipeline import Outputs, Pipeline
from drills.documents.kit import instances
from drills.documents.kit.instances import Instances
from drills.documents.kit.under_test import PipelineUnderTest
from tests.unit.simulation.conftest import Cluster
from tests.unit.simulation.ray_dashboard import FakeRayApi

WITHIN = 300.0


def broken(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> PipelineUnderTest:
    """Return a pipeline whose group is all of a cluster's workers."""
    documents = cluster.environment.documents.model_copy(update={"group": "worker"})
    environment = cluster.environment.model_copy(update={"documents": documents})
    ray = FakeRayApi(cluster.cloud, environment)
    monkeypatch.setattr(instances, "ray_of_pipeline", lambda clients, pipeline: ray)
    api: Any = None  # no one asks
    pipeline = Pipeline(environment, Outputs("ray-documents", {}))
    found = PipelineUnderTest(pipeline, cluster.cloud.clients, cluster.cloud.clock, api)
    assert isinstance(found.place, Instances)
    return found


def test_head_and_workers_are_instances(single: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    place = broken(single, monkeypatch).place

    assert place.head() == single.head_ids
    assert place.workers() == sorted(single.worker_ids)
    assert place.on_spot(place.workers()) == []
    assert place.look(set(), 2) == (True, "2 of 2 instances of worker alive in Ray")
    assert not place.look(set(), 3)[0]


def test_half_of_a_group_on_spot_is_taken_back(
    single: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    single.cloud.clients("iam").create_service_linked_role(AWSServiceName="spot.amazonaws.com")
    (group,) = single.environment.workers.values()
    on_spot = {"worker": group.model_copy(update={"market": "spot"})}
    single.environment = single.environment.model_copy(update={"workers": on_spot})
    single.deploy()
    place = broken(single, monkeypatch).place
    first, second = place.workers()

    assert place.on_spot([first, second]) == [first]


@pytest.mark.parametrize("what", ["head", "workers"])
def test_others_are_awaited_for_instances_that_were_lost(
    single: Cluster, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    found = broken(single, monkeypatch)
    lost = found.place.head() if what == "head" else found.place.workers()
    found.record_loss("killed", lost)
    assert not found.place.look(found.lost, 0)[0]
    for one in lost:
        single.cloud.crash(one)

    found.await_others(WITHIN)

    assert set(lost).isdisjoint(single.head_ids + sorted(single.worker_ids))
    assert len(found.place.head()) == 1
    assert len(found.place.workers()) == 2
    assert found.faults == [f"killed {', '.join(lost)}"]
