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

    assert found["m6i.large"] == TypeFacts(
        "m6i.large",
        2,
        0,
        ("x86_64",),
        memory_mib=8192,
        placements=("cluster", "partition", "spread"),
    )
    assert (found["g5.xlarge"].gpus, found["g5.xlarge"].accelerator) == (1, "A10G")
    assert found["g4dn.12xlarge"].gpus == 4
    assert found["m6g.large"].architectures == ("arm64",)


@pytest.mark.parametrize(
    ("name", "gpus", "accelerator"),
    [
        ("g4dn.12xlarge", 4, "T4"),
        ("g6.xlarge", 1, "L4"),
        ("g6f.large", 1, "L4"),  # an eighth of one
        ("g6e.xlarge", 1, "L40S"),
        ("g7e.2xlarge", 1, "RTX-PRO-6000"),
        ("p4d.24xlarge", 8, "A100"),
        ("p5.48xlarge", 8, "H100"),
        ("g5g.xlarge", 1, ""),  # T4G is no accelerator that Ray names
        ("m6i.large", 0, ""),
    ],
)
def test_accelerators_have_the_names_that_tasks_ask_for(
    clients: Clients, name: str, gpus: int, accelerator: str
) -> None:
    facts = type_facts(clients, [name])[name]

    assert (facts.gpus, facts.accelerator) == (gpus, accelerator)


def test_facts_of_disks_network_and_placement(clients: Clients) -> None:
    found = type_facts(clients, ["p4d.24xlarge", "m6id.large", "d2.xlarge", "t3.micro"])

    assert {name: (kind.disks, kind.disk_gb) for name, kind in found.items()} == {
        "p4d.24xlarge": (8, 1000),
        "m6id.large": (1, 118),
        "d2.xlarge": (0, 0),  # its disks are no NVMe disks
        "t3.micro": (0, 0),
    }
    assert (found["p4d.24xlarge"].efa_interfaces, found["m6id.large"].efa_interfaces) == (4, 0)
    assert "cluster" in found["m6id.large"].placements
    assert "cluster" not in found["t3.micro"].placements


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
