"""User data: a few lines, no secret, only what the nodes read."""

from dataclasses import replace

import pytest
import yaml

from common.errors import Refused
from deploy.release.settings import Access
from deploy.release.user_data import (
    check_sizes,
    head_user_data,
    node_facts,
    worker_user_data,
)
from node.contract import NODE_YAML
from tests.unit.deploy.builders import (
    a_desired_state,
    a_foundation,
    a_group,
    an_environment,
    an_environment_that_sends_metrics,
    the_settings,
)

GIVEN = "state.ray:6379"
MADE = "rediss://master.state.cache.amazonaws.com:6379"


def node_file(text: str) -> dict[str, str]:
    assert text.startswith("#cloud-config\n")
    (written,) = yaml.safe_load(text)["write_files"]
    assert (written["path"], written["permissions"]) == (NODE_YAML, "0644")
    found: dict[str, str] = yaml.safe_load(written["content"])
    return found


def test_a_worker_s_user_data_names_its_cluster_and_resources() -> None:
    assert node_file(worker_user_data(an_environment(), a_group())) == {
        "environment": "dev",
        "role": "worker",
        "head_name": "ray-head.dev.ray.internal",
        "lease_table": "raykiln-lease-dev",
        "secret": "/ray/dev/redis_password",
        "metric_namespace": "Ray/Head",
    }


def test_a_head_s_user_data_names_its_lifecycle_hook() -> None:
    facts = node_file(head_user_data(an_environment()))

    assert facts["role"] == "head"
    assert facts["lifecycle_hook"] == "ray-head-ready"


def test_only_a_head_is_told_where_metrics_are_looked_at() -> None:
    url = "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write"
    grafana = {
        "grafana": "https://grafana.example.com",
        "grafana_in_browser": "http://127.0.0.1:3000",
    }
    environment = an_environment_that_sends_metrics(url, metrics=grafana | {"remote_write": url})

    head = node_file(head_user_data(environment))
    told = grafana | {"remote_write": url}
    assert {key: head[key] for key in told} == told
    assert not set(told) & set(node_file(worker_user_data(environment, a_group())))


def test_names_are_read_as_text() -> None:
    environment = an_environment(names={"lease_table": "0123", "metric_namespace": "Ray: #1"})

    facts = node_file(worker_user_data(environment, a_group()))

    assert (facts["lease_table"], facts["metric_namespace"]) == ("0123", "Ray: #1")


def test_head_and_workers_get_the_address_of_the_stored_state() -> None:
    environment = an_environment()

    texts = (
        head_user_data(environment, GIVEN),
        worker_user_data(environment, a_group(), GIVEN),
    )

    assert [node_file(text)["redis"] for text in texts] == [GIVEN, GIVEN]


def test_only_heads_with_a_redis_are_told_where_its_password_is() -> None:
    environment = an_environment()

    told = node_file(head_user_data(environment, GIVEN))
    assert told["state_secret"] == "/ray/dev/state_password"
    for text in (head_user_data(environment), worker_user_data(environment, a_group(), GIVEN)):
        assert "state_secret" not in node_file(text)


def test_what_a_node_is_told_is_read_back() -> None:
    text = head_user_data(an_environment(), GIVEN)

    assert node_facts(text) == node_file(text)
    assert node_facts("") == node_facts("#cloud-config\nwrite_files: []\n") == {}


def test_a_worker_is_told_the_resources_and_labels_of_its_group() -> None:
    group = a_group(gpus=4, resources=(("big_disk", 1),), labels=(("team", "search"), ("tier", "")))

    facts = node_file(worker_user_data(an_environment(), group))

    assert facts["gpus"] == "4"
    assert (facts["resources"], facts["labels"]) == ('{"big_disk": 1}', "team=search,tier=")
    assert "gpus" not in node_file(worker_user_data(an_environment(), a_group()))


def test_a_worker_is_told_what_its_memory_and_its_disks_are_for() -> None:
    group = a_group(object_store_gib=4, instance_store="spill")

    facts = node_file(worker_user_data(an_environment(), group))

    assert (facts["object_store_bytes"], facts["instance_store"]) == ("4294967296", "spill")


def test_nodes_are_told_what_to_mount() -> None:
    access = Access(efs=(("fs-0123456789abcdef0", "/shared"), ("fs-01234567", "/data/sets")))
    told = "fs-0123456789abcdef0:/shared,fs-01234567:/data/sets"

    assert node_file(head_user_data(an_environment(), access=access))["efs"] == told
    assert node_file(worker_user_data(an_environment(), a_group(access=access)))["efs"] == told


def test_more_than_ec2_takes_is_refused() -> None:
    """User data has 16 KB before it is encoded."""
    labels = tuple((f"label-{n}", "x" * 60) for n in range(250))

    with pytest.raises(Refused, match=r"user data of a worker has .* and EC2 takes 16384") as e:
        worker_user_data(an_environment(), a_group(labels=labels))

    assert e.value.hint == "give the group fewer resources, labels or file systems"


def test_a_release_with_more_than_ec2_takes_is_refused_with_the_group() -> None:
    cpu = {"instance_types": ["m6i.large"], "min": 1, "max": 2}
    large = cpu | {"resources": {f"resource-{number}": 1 for number in range(1000)}}
    environment = an_environment(workers={"cpu": cpu, "large": large})

    with pytest.raises(Refused, match=r"^workers\.large: the user data of a worker has"):
        check_sizes(environment, the_settings(environment))


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ({"state": "redis", "redis": GIVEN}, GIVEN),
        ({"state": "redis", "redis_node_type": "cache.t4g.small"}, MADE),
        ({"redis_node_type": "cache.t4g.small"}, None),  # created, but not in use
        ({}, None),
    ],
)
def test_the_state_is_in_the_given_or_the_created_redis(
    head: dict[str, str], told: str | None
) -> None:
    desired = a_desired_state(head={"instance_type": "m6i.large", **head})
    foundation = replace(a_foundation(), state_address=MADE)

    (group,) = desired.groups
    for content in (desired.worker_content(foundation, group), desired.head_content(foundation)):
        assert node_file(content.user_data).get("redis") == told


def test_only_workers_get_rejoin_seconds() -> None:
    workers = {"instance_type": "m6i.large", "min": 1, "max": 1000}
    environment = an_environment(workers={**workers, "rejoin_seconds": 5})

    assert node_file(worker_user_data(environment, a_group()))["rejoin_seconds"] == "5"
    assert "rejoin_seconds" not in node_file(head_user_data(environment))


@pytest.mark.parametrize(
    ("market", "rebalance", "told"),
    [
        ("spot", "drain", "300"),
        ("spot-then-on-demand", "drain", "300"),
        ("spot", "ignore", None),
        ("on-demand", "drain", None),
    ],
)
def test_spot_workers_are_told_how_long_they_may_work_when_at_risk(
    market: str, rebalance: str, told: str | None
) -> None:
    worker = {"instance_types": ["m6i.large"], "min": 1, "max": 2}
    environment = an_environment(
        workers={"worker": worker | {"market": market, "rebalance": rebalance}},
        rollout={"drain_seconds": 300},
    )
    (group,) = the_settings(environment).groups

    facts = node_file(worker_user_data(environment, group))

    assert facts.get("rebalance_seconds") == told


def test_a_drain_of_no_time_still_follows_a_rebalance_recommendation() -> None:
    worker = {"instance_types": ["m6i.large"], "min": 1, "max": 2, "market": "spot"}
    environment = an_environment(workers={"worker": worker}, rollout={"drain_seconds": 0})

    assert the_settings(environment).groups[0].rebalance_seconds == 1
