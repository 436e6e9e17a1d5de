"""What a pipeline costs, worked out by hand from the prices of us-east-1."""

import pytest

from common.environment import Environment
from common.errors import Refused
from deploy.documents.cost import Cost, costs
from tests.unit.deploy.documents.pipeline import with_documents


def by_choice(environment: Environment) -> dict[str, Cost]:
    return {cost.choice: cost for cost in costs(environment)}


def test_a_task_costs_its_cpu_and_its_memory_for_a_month() -> None:
    found = by_choice(with_documents(worker={"min": 2, "max": 4}))["as it is"]

    # 730 h of one vCPU at $0.04048 and 4 GiB at $0.004445.
    assert found.head == pytest.approx(42.53, abs=0.01)
    assert found.least == pytest.approx(2 * 42.53, abs=0.01)
    assert found.most == pytest.approx(4 * 42.53, abs=0.01)
    # A NAT gateway at $0.045 and its address at $0.005.
    assert found.network == pytest.approx(36.50, abs=0.01)


def test_other_choices_are_beside_it() -> None:
    found = by_choice(with_documents())

    assert set(found) == {"as it is", "paused", "every worker on Spot", "endpoints, no NAT"}
    assert found["every worker on Spot"].most == pytest.approx(0.3 * found["as it is"].most)
    assert (found["paused"].head, found["paused"].most) == (0, 0)
    assert found["paused"].network == found["as it is"].network


def test_in_its_cluster_s_network_a_pipeline_pays_no_way_out() -> None:
    found = by_choice(with_documents(network="cluster"))

    assert found["as it is"].network == 0
    assert "endpoints, no NAT" not in found


def test_a_row_has_a_range_only_where_there_is_one() -> None:
    row = by_choice(with_documents(worker={"min": 1, "max": 1}))["as it is"].row

    assert row[:4] == ("as it is", "$43", "$43", "$36")


def test_a_region_without_prices_is_refused() -> None:
    elsewhere = with_documents().model_copy(update={"region": "eu-west-1"})

    with pytest.raises(Refused, match="no prices of eu-west-1"):
        costs(elsewhere)
