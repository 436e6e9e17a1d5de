"""The change in cost: of heads, and of each group at its minimum and its maximum."""

from dataclasses import replace
from typing import Any

from deploy.cluster.state import ClusterState
from deploy.release.settings import Volume
from deploy.report.cost import cost_of
from tests.unit.deploy.builders import a_desired_state, a_group, a_release, serving

GPU: dict[str, Any] = {"name": "gpu", "instance_types": ("g6.xlarge", "g5.xlarge"), "cpus": 4}


def costs(*groups: Any) -> list[str]:
    """Return the change from a cluster with one m6i.large, up to 3, to one with these groups."""
    desired = a_desired_state(a_release(groups=groups))
    return [
        words.partition(", prices of")[0] for words in cost_of(desired, serving(a_desired_state()))
    ]


def test_a_new_group_that_may_be_empty_costs_up_to_its_maximum() -> None:
    gpu = a_group(**GPU, markets=("spot",), min=0, max=8, volume=Volume(200, 6000, 500))

    assert costs(a_group(), gpu) == [
        "group gpu, maximum: up to $5,068 a month (8 g6.xlarge on spot new"
    ]


def test_a_removed_group_no_longer_costs_anything() -> None:
    assert costs(a_group(**GPU, min=1, max=1)) == [
        "group gpu: +$589 a month (g6.xlarge new",
        "group worker, minimum: -$72 a month (m6i.large removed",
        "group worker, maximum: -$215 a month (3 m6i.large removed",
    ]


def test_each_group_is_compared_with_itself() -> None:
    assert costs(a_group(max=4)) == [
        "group worker, maximum: +$72 a month (3 m6i.large to 4 m6i.large"
    ]
    assert costs(a_group()) == ["none"]


def test_what_fills_a_volume_at_a_rate_is_named_though_it_has_no_monthly_price() -> None:
    rate = Volume(20, initialization_rate=300)

    assert costs(a_group(volume=rate)) == [
        "group worker: each launch fills 20 GiB at 300 MiB/s, which EBS charges by the "
        "snapshot's GiB",
    ]


def test_nothing_deployed_yet_costs_all_of_it() -> None:
    desired = a_desired_state(a_release(groups=(replace(a_group(), min=0),)))

    assert [words.partition(" a month")[0] for words in cost_of(desired, ClusterState())] == [
        "head: +$72",
        "group worker, maximum: +$215",
    ]
