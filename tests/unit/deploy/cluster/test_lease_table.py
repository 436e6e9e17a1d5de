"""The items of the lease table: the lease, the deploy lock, the last remediation."""

from typing import Any

import pytest

from common.errors import PipelineError
from deploy.cluster.lease_table import read_item
from deploy.cluster.remediations import last_remediation
from tests.unit.answers import Answers, refused
from tests.unit.deploy.builders import an_environment


def test_an_item_is_read_consistently_by_the_environment_s_key() -> None:
    aws: Any = Answers(get_item={"Item": {"holder": {"S": "i-1"}}})

    assert read_item(aws, an_environment(), "#deploy") == {"holder": {"S": "i-1"}}
    assert read_item(aws, an_environment()) == {"holder": {"S": "i-1"}}
    assert aws.requests == [
        (
            "dynamodb:get_item",
            {
                "TableName": "raykiln-lease-dev",
                "Key": {"cluster": {"S": key}},
                "ConsistentRead": True,
            },
        )
        for key in ("dev#deploy", "dev")
    ]


def test_without_an_item_or_a_table_there_is_nothing() -> None:
    no_item: Any = Answers(get_item={})
    no_table: Any = Answers(get_item=refused("ResourceNotFoundException"))

    assert read_item(no_item, an_environment()) == {}
    assert read_item(no_table, an_environment()) == {}


def test_another_refusal_names_the_item() -> None:
    aws: Any = Answers(get_item=refused("ThrottlingException"))

    with pytest.raises(PipelineError, match="reading the item dev#deploy of raykiln-lease-dev"):
        read_item(aws, an_environment(), "#deploy")


def test_the_last_remediation_says_when_for_which_alarm_and_what() -> None:
    noted = {
        "at": {"N": "1795328495"},
        "alarm": {"S": "ray-dev-no-leader"},
        "words": {"S": "replaced i-1"},
    }
    aws: Any = Answers(get_item={"Item": {"noted": {"M": noted}}})

    assert last_remediation(aws, an_environment()) == (
        "2026-11-22 06:21:35Z ray-dev-no-leader: replaced i-1"
    )
    assert aws.requests[0][1]["Key"] == {"cluster": {"S": "dev#remediation"}}


@pytest.mark.parametrize("item", [{}, {"noted": {}}, {"noted": {"M": {}}}])
def test_a_remediation_that_never_was_is_empty(item: dict[str, Any]) -> None:
    aws: Any = Answers(get_item={"Item": item})

    assert last_remediation(aws, an_environment()) == ""
