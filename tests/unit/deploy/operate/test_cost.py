"""What runs and what it costs, worked out by hand from the prices of us-east-1."""

from dataclasses import replace

import pytest

from common.errors import Refused
from deploy.cluster.billed import Billed, DiskVolume
from deploy.cluster.state import ClusterState
from deploy.operate.cost import running_cost
from tests.unit.deploy.builders import a_desired_state, a_foundation, an_environment, serving

NETWORK = Billed(load_balancers=1, endpoints=12)


def test_each_part_is_a_line_and_all_of_them_the_total() -> None:
    state = serving(a_desired_state())
    disk = DiskVolume(100, 3000, 125, "gp3")
    fast = DiskVolume(100, 6000, 500, "gp3")
    cost = running_cost(an_environment(), state, replace(NETWORK, volumes=(disk, fast)))

    # m6i.large is $0.096; 200 GiB of gp3, 3,000 IOPS and 375 MiB/s above what it has by itself.
    assert cost.rows == (
        ("heads", "1 m6i.large", "0.0960", "70.08"),
        ("group worker", "1 m6i.large", "0.0960", "70.08"),
        ("volumes", "2, 200 GiB", "0.0630", "46.00"),
        ("load balancer", "1", "0.0225", "16.43"),
        ("VPC endpoints", "12", "0.1200", "87.60"),
        ("total", "", "0.3975", "290.19"),
    )
    assert cost.as_json()["month"] == pytest.approx(290.185)
    assert "2026-01-19" in cost.note


def test_spot_is_counted_at_most_and_said_so() -> None:
    state = serving(a_desired_state())
    spot = tuple(replace(w, market="spot", type="g6.xlarge", group="gpu") for w in state.workers)
    cost = running_cost(an_environment(), replace(state, instances=spot), Billed())

    assert cost.rows[0] == ("group gpu", "1 g6.xlarge on spot", "up to 0.8048", "up to 587.50")
    assert cost.rows[-1][3] == "up to 587.50"
    assert "Spot is counted at the on-demand price" in cost.note


def test_what_has_no_price_is_named_and_not_guessed() -> None:
    state = serving(a_desired_state())
    odd = tuple(replace(w, type="x9z.large") for w in state.workers)
    old = Billed(volumes=(DiskVolume(8, 100, 0, "gp2"),))
    cost = running_cost(an_environment(), replace(state, instances=odd), old)

    assert cost.rows[0] == ("group worker", "1 x9z.large", "?", "?")
    assert cost.unknown == ("group worker: 1 x9z.large", "volumes: 1, 8 GiB, not all gp3")
    assert cost.hour == 0


def test_what_shuts_down_is_not_charged() -> None:
    state = serving(a_desired_state())
    ending = tuple(replace(i, state="shutting-down") for i in state.instances)

    assert running_cost(an_environment(), replace(state, instances=ending), Billed()).lines == ()


def test_a_paused_cluster_pays_for_its_network_alone() -> None:
    foundation = replace(a_foundation(), is_paused=True)
    cost = running_cost(an_environment(), ClusterState(foundation=foundation), NETWORK)

    assert [row[0] for row in cost.rows] == ["load balancer", "VPC endpoints", "total"]
    assert cost.rows[-1] == ("total", "paused", "0.1425", "104.02")
    assert cost.as_json()["paused"] is True


def test_a_nat_gateway_has_a_public_address_and_a_redis_its_node_type() -> None:
    environment = an_environment(
        head={
            "instance_type": "m6i.large",
            "state": "redis",
            "redis_node_type": "cache.t4g.small",
        }
    )
    cost = running_cost(environment, ClusterState(), Billed(nat_gateways=1, redis=1))

    assert cost.rows[:2] == (
        ("NAT gateway", "1", "0.0500", "36.50"),
        ("Redis", "1 cache.t4g.small", "0.0320", "23.36"),
    )


def test_a_region_without_prices_is_refused_with_the_command_that_fetches_them() -> None:
    elsewhere = an_environment().model_copy(update={"region": "eu-west-9"})

    with pytest.raises(Refused, match="no prices of eu-west-9") as raised:
        running_cost(elsewhere, ClusterState(), Billed())
    assert raised.value.hint == "invoke prices --region eu-west-9"
