"""What is wrong in an environment's file is said in the file's words, not in Python's."""

from typing import Any

import pytest

from common.errors import Refused
from tests.unit.deploy.builders import an_environment

GROUP = {"instance_types": ["m6i.large"], "min": 1, "max": 2}


def mistakes(**tables: Any) -> list[str]:
    with pytest.raises(Refused) as refused:
        an_environment(**tables)
    return [line.removeprefix("  dev.toml: ") for line in refused.value.message.splitlines()[1:]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"min": "one"}, "min: a whole number is needed"),
        ({"min": True}, "min: a whole number is needed"),
        ({"max": 2.5}, "max: a whole number is needed"),
        ({"max": 0}, "max: 0 is below 1"),
        ({"max": 10001}, "max: 10001 is above 10000"),
        ({"efa": "maybe"}, "efa: true or false is needed"),
        ({"efa": [1]}, "efa: true or false is needed"),
        ({"zones": "us-east-1a"}, 'zones: a list is needed, such as ["…"]'),
        ({"image": 7}, "image: a string is needed, in quotes"),
        ({"volume": 200}, "volume: a table is needed, such as { key = … }"),
        ({"labels": "team"}, "labels: a table is needed, such as { key = … }"),
        (
            {"market": "Spot"},
            "market: 'Spot' is not 'on-demand', 'spot' or 'spot-then-on-demand'",
        ),
        ({"instance_types": []}, "instance_types: 1 at least"),
        ({"instance_types": [f"m6i.{n}xlarge" for n in range(21)]}, "instance_types: 20 at most"),
        ({"min_workers": 1}, "min_workers: there is no such key; there is min"),
        ({"volume": {"gip": 9}}, "volume.gip: there is no such key; there is gib"),
        ({"volume": {"size": 9}}, "volume.size: there is no such key"),
        (
            {"efs": [{"id": "fs-01234567", "mounts": "/a", "mount": "/a"}]},
            "efs.0.mounts: there is no such key; there is mount",
        ),
    ],
)
def test_a_mistake_says_what_would_be_right(changes: dict[str, Any], words: str) -> None:
    assert mistakes(workers={"gpu": GROUP | changes}) == [f"workers.gpu.{words}"]


def test_what_is_left_out_is_missing() -> None:
    assert mistakes(workers={"gpu": {"instance_types": ["m6i.large"], "max": 2}}) == [
        "workers.gpu.min: is missing"
    ]


def test_a_list_with_nothing_right_in_it_is_one_mistake() -> None:
    assert mistakes(workers={"gpu": GROUP | {"instance_types": ["Large"]}}) == [
        "workers.gpu.instance_types.0: 'Large' is no instance type, such as m6i.4xlarge"
    ]


def test_a_key_of_an_optional_table_is_known_too() -> None:
    assert mistakes(promotion={"sauce": "staging", "source": "staging"}) == [
        "promotion.sauce: there is no such key; there is source"
    ]


@pytest.mark.parametrize("endpoints", ["ssm", ["ssm", "s4"], 1.5, [{"ssm": True}]])
def test_endpoints_of_no_kind_are_one_mistake(endpoints: Any) -> None:
    network = {"operator_cidrs": ["10.77.0.1/32"], "endpoints": endpoints}

    assert mistakes(network=network) == [
        f"network.endpoints: {endpoints!r} is not true, false, or a list of some of autoscaling, "
        "ec2, logs, monitoring, ssm, ssmmessages, dynamodb, s3, aps-workspaces"
    ]


def test_no_message_holds_a_pattern_or_a_type_of_python() -> None:
    wrong = "not: like this"
    keys = ("policy_arns", "security_group_ids", "zones")
    group = GROUP | {key: [wrong] for key in keys} | {"capacity_reservation_id": wrong}
    nodes = {"kms_key": wrong, "permissions_boundary": wrong, "efs": [{"id": wrong, "mount": ""}]}

    found = mistakes(workers={"gpu": group}, nodes=nodes)

    assert len(found) == 8
    assert [line for line in found if "is not like " not in line] == []
