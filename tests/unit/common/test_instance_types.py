"""Facts of instance types, as EC2 has them."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from common.clients import Clients
from common.errors import Refused
from common.instance_types import AT_ONCE, TypeFacts, type_facts


@pytest.fixture
def clients() -> Iterator[Clients]:
    with mock_aws():
        yield Clients("us-east-1")


def test_facts_are_those_of_ec2(clients: Clients) -> None:
    found = type_facts(clients, ["m6i.large", "g5.xlarge", "g4dn.12xlarge", "m6g.large"])

    assert found["m6i.large"] == TypeFacts("m6i.large", 2, 0, ("x86_64",))
    assert found["g5.xlarge"] == TypeFacts("g5.xlarge", 4, 1, ("x86_64",))
    assert found["g4dn.12xlarge"].gpus == 4
    assert found["m6g.large"].architectures == ("arm64",)


def test_a_type_that_does_not_exist_is_refused_with_ec2_s_answer(clients: Clients) -> None:
    with pytest.raises(Refused, match=r"us-east-1: .*do not exist: .*m6i\.huge"):
        type_facts(clients, ["m6i.large", "m6i.huge"])


def test_more_names_than_one_request_may_hold_are_asked_for_in_several(clients: Clients) -> None:
    pages = clients("ec2").get_paginator("describe_instance_types").paginate()
    offered = [entry["InstanceType"] for page in pages for entry in page["InstanceTypes"]]
    names = offered[: 2 * AT_ONCE + 1]
    before = clients.calls

    assert type_facts(clients, names).keys() == set(names)
    assert clients.calls - before == 3
