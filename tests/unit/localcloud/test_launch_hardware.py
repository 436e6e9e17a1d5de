"""What RunInstances refuses of placement groups, network interfaces and capacity reservations."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock, FakeDriver
from tests.unit.localcloud.test_ec2 import Ec2, code_of
from tests.unit.localcloud.test_launch_templates import a_template, launched


@pytest.fixture
def ec2(aws: Clients) -> Ec2:
    return Ec2(aws("ec2"))


@pytest.fixture
def subnets(ec2: Ec2) -> dict[str, str]:
    """The default VPC's subnets, by their zones."""
    found = ec2.api.describe_subnets()["Subnets"]
    return {subnet["AvailabilityZone"]: subnet["SubnetId"] for subnet in found}


@pytest.fixture
def group(ec2: Ec2) -> str:
    (found,) = ec2.api.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
    return str(found["GroupId"])


def placed(ec2: Ec2, zone: str, subnets: dict[str, str], kind: str = "m6i.large") -> Any:
    instance = ec2.launch(
        InstanceType=kind, SubnetId=subnets[zone], Placement={"GroupName": "train"}
    )
    return ec2.describe(instance)


def test_a_placement_group_that_does_not_exist_is_unknown(ec2: Ec2) -> None:
    with pytest.raises(ClientError) as refusal:
        ec2.launch(Placement={"GroupName": "train"})

    assert code_of(refusal) == "InvalidPlacementGroup.Unknown"


def test_instances_of_a_cluster_placement_group_are_in_one_zone(
    ec2: Ec2, subnets: dict[str, str], clock: FakeClock
) -> None:
    ec2.api.create_placement_group(GroupName="train", Strategy="cluster")
    first = placed(ec2, "us-east-1b", subnets)
    assert first["Placement"]["GroupName"] == "train"

    with pytest.raises(ClientError) as refusal:
        placed(ec2, "us-east-1a", subnets)
    assert code_of(refusal) == "InvalidPlacementGroup.InUse"
    assert "'train' is in use in another availability zone: us-east-1b" in str(refusal.value)

    ec2.api.terminate_instances(InstanceIds=[first["InstanceId"]])
    clock.advance(10)
    assert placed(ec2, "us-east-1a", subnets)


def test_a_burstable_type_cannot_be_in_a_cluster_placement_group(
    ec2: Ec2, subnets: dict[str, str], driver: FakeDriver
) -> None:
    ec2.api.create_placement_group(GroupName="train", Strategy="cluster")

    with pytest.raises(ClientError) as refusal:
        placed(ec2, "us-east-1a", subnets, kind="t3.xlarge")

    assert code_of(refusal) == "InvalidParameterCombination"
    assert "Cluster placement groups are not supported by the 't3.xlarge'" in str(refusal.value)
    assert driver.machines == {}


def interfaces(count: int, subnet: str, group: str) -> list[dict[str, Any]]:
    return [
        {
            "NetworkCardIndex": card,
            "DeviceIndex": min(card, 1),
            "InterfaceType": "efa-only" if card else "efa",
            "SubnetId": subnet,
            "Groups": [group],
            "DeleteOnTermination": True,
        }
        for card in range(count)
    ]


def test_a_type_has_efa_on_each_of_its_network_cards(
    ec2: Ec2, subnets: dict[str, str], group: str
) -> None:
    subnet = subnets["us-east-1b"]

    instance = ec2.launch(
        InstanceType="p4d.24xlarge", NetworkInterfaces=interfaces(4, subnet, group)
    )

    found = ec2.describe(instance)
    assert found["SubnetId"] == subnet
    assert [one["GroupId"] for one in found["SecurityGroups"]] == [group]


@pytest.mark.parametrize(
    ("kind", "count", "code"),
    [
        ("m6i.large", 1, "InvalidParameterCombination"),
        ("p4d.24xlarge", 5, "InvalidParameterValue"),
        ("m6i.large", 2, "InvalidParameterValue"),
    ],
)
def test_more_efa_than_a_type_has_is_refused(
    ec2: Ec2, subnets: dict[str, str], group: str, kind: str, count: int, code: str
) -> None:
    with pytest.raises(ClientError) as refusal:
        ec2.launch(
            InstanceType=kind, NetworkInterfaces=interfaces(count, subnets["us-east-1b"], group)
        )

    assert code_of(refusal) == code


def test_a_network_card_has_one_efa(ec2: Ec2, subnets: dict[str, str], group: str) -> None:
    first, second = interfaces(2, subnets["us-east-1b"], group)

    with pytest.raises(ClientError) as refusal:
        ec2.launch(
            InstanceType="p4d.24xlarge",
            NetworkInterfaces=[first, second | {"NetworkCardIndex": 0}],
        )

    assert code_of(refusal) == "AttachmentLimitExceeded"


def test_the_first_interface_is_not_for_efa_alone(
    ec2: Ec2, subnets: dict[str, str], group: str
) -> None:
    (only,) = interfaces(1, subnets["us-east-1b"], group)

    with pytest.raises(ClientError, match="cannot be the primary network interface"):
        ec2.launch(
            InstanceType="p4d.24xlarge", NetworkInterfaces=[only | {"InterfaceType": "efa-only"}]
        )


@pytest.mark.parametrize("beside", ["SubnetId", "SecurityGroupIds"])
def test_interfaces_have_the_subnet_and_the_groups_themselves(
    ec2: Ec2, subnets: dict[str, str], group: str, beside: str
) -> None:
    subnet = subnets["us-east-1b"]
    template = a_template(ec2.api, ImageId="ami-1", NetworkInterfaces=interfaces(1, subnet, group))
    value: Any = {"SubnetId": subnet, "SecurityGroupIds": [group]}[beside]

    with pytest.raises(ClientError) as refusal:
        launched(ec2.api, template, InstanceType="p4d.24xlarge", **{beside: value})

    assert code_of(refusal) == "InvalidParameterCombination"
    assert "may not be specified on the same request" in str(refusal.value)


def reserved(ec2: Ec2, count: int = 1) -> str:
    answer = ec2.api.create_capacity_reservation(
        InstanceType="m6i.large",
        InstancePlatform="Linux/UNIX",
        AvailabilityZone="us-east-1a",
        InstanceCount=count,
    )
    return str(answer["CapacityReservation"]["CapacityReservationId"])


def into(reservation: str, subnet: str, **changes: Any) -> dict[str, Any]:
    target = {"CapacityReservationTarget": {"CapacityReservationId": reservation}}
    wanted = {"InstanceType": "m6i.large", "SubnetId": subnet}
    return wanted | {"CapacityReservationSpecification": target} | changes


def test_a_capacity_reservation_has_room_for_so_many_instances(
    ec2: Ec2, subnets: dict[str, str], clock: FakeClock
) -> None:
    reservation = reserved(ec2, count=2)
    wanted = into(reservation, subnets["us-east-1a"], ImageId="ami-1")

    answer = ec2.api.run_instances(MinCount=1, MaxCount=3, **wanted)
    first, _ = answer["Instances"]
    with pytest.raises(ClientError) as refusal:
        ec2.launch(**wanted)
    assert code_of(refusal) == "ReservationCapacityExceeded"

    ec2.api.terminate_instances(InstanceIds=[first["InstanceId"]])
    clock.advance(10)
    (described,) = ec2.api.describe_capacity_reservations()["CapacityReservations"]
    assert (described["TotalInstanceCount"], described["AvailableInstanceCount"]) == (2, 1)
    assert ec2.launch(**wanted)


def test_a_capacity_reservation_that_was_cancelled_has_no_room(
    ec2: Ec2, subnets: dict[str, str]
) -> None:
    reservation = reserved(ec2)
    ec2.api.cancel_capacity_reservation(CapacityReservationId=reservation)

    with pytest.raises(ClientError) as refusal:
        ec2.launch(**into(reservation, subnets["us-east-1a"]))

    assert code_of(refusal) == "ReservationCapacityExceeded"


@pytest.mark.parametrize(
    ("zone", "kind"), [("us-east-1b", "m6i.large"), ("us-east-1a", "m6i.xlarge")]
)
def test_a_capacity_reservation_is_of_one_type_in_one_zone(
    ec2: Ec2, subnets: dict[str, str], zone: str, kind: str
) -> None:
    reservation = reserved(ec2)

    with pytest.raises(ClientError) as refusal:
        ec2.launch(**into(reservation, subnets[zone], InstanceType=kind))

    assert code_of(refusal) == "InvalidParameterCombination"


def test_a_capacity_reservation_that_does_not_exist_is_not_found(
    ec2: Ec2, subnets: dict[str, str]
) -> None:
    with pytest.raises(ClientError) as refusal:
        ec2.launch(**into("cr-0123456789abcdef0", subnets["us-east-1a"]))

    assert code_of(refusal) == "InvalidCapacityReservationId.NotFound"


def test_a_machine_has_the_disks_of_its_type(ec2: Ec2, driver: FakeDriver) -> None:
    kinds = ("m6id.large", "g6.12xlarge", "m6i.large", "d2.xlarge")

    hosts = [driver.machines[ec2.launch(InstanceType=kind)].host for kind in kinds]

    assert [(host.disks, host.disk_gb) for host in hosts] == [(1, 118), (4, 940), (0, 0), (0, 0)]
