"""An instance has the state of its machine."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.driver import Power
from localcloud.patches.ec2 import VISIBLE_SECONDS
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock, FakeDriver


class Ec2:
    """The EC2 calls of these tests, in short."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def launch(self, **parameters: Any) -> str:
        wanted = {"ImageId": "ami-1", "InstanceType": "t3.micro"} | parameters
        answer = self.api.run_instances(MinCount=1, MaxCount=1, **wanted)
        return str(answer["Instances"][0]["InstanceId"])

    def describe(self, instance_id: str) -> Any:
        found = self.api.describe_instances(InstanceIds=[instance_id])
        return found["Reservations"][0]["Instances"][0]

    def state(self, instance_id: str) -> str:
        return str(self.describe(instance_id)["State"]["Name"])


@pytest.fixture
def ec2(aws: Clients) -> Ec2:
    return Ec2(aws("ec2"))


def code_of(failure: pytest.ExceptionInfo[ClientError]) -> str:
    return str(failure.value.response["Error"]["Code"])


def test_an_instance_is_pending_until_its_machine_is_up(ec2: Ec2, clock: FakeClock) -> None:
    instance = ec2.launch()
    clock.advance(1)
    assert ec2.state(instance) == "pending"

    clock.advance(5)

    assert ec2.state(instance) == "running"


def test_the_machine_is_as_large_as_the_type_says(ec2: Ec2, driver: FakeDriver) -> None:
    instance = ec2.launch(InstanceType="m5.large")

    host = driver.machines[instance].host
    assert (host.vcpus, host.memory_mib) == (2, 8192)


def test_a_type_that_does_not_exist_launches_nothing(ec2: Ec2, driver: FakeDriver) -> None:
    with pytest.raises(ClientError) as refusal:
        ec2.launch(InstanceType="t3.enormous")

    assert code_of(refusal) == "InvalidParameterValue"
    assert "Invalid value 't3.enormous' for InstanceType." in str(refusal.value)
    assert driver.machines == {}
    assert ec2.api.describe_instances()["Reservations"] == []


def test_a_failed_boot_terminates_the_instance_with_a_reason(
    ec2: Ec2, driver: FakeDriver, clock: FakeClock
) -> None:
    driver.boots_fail = True
    instance = ec2.launch()

    clock.advance(20)

    assert ec2.state(instance) == "terminated"
    assert ec2.describe(instance)["StateReason"]["Code"] == "Server.InternalError"


@pytest.mark.parametrize(("behaviour", "end"), [("stop", "stopped"), ("terminate", "terminated")])
def test_a_power_off_from_inside_follows_the_shutdown_behaviour(
    ec2: Ec2, driver: FakeDriver, clock: FakeClock, behaviour: str, end: str
) -> None:
    instance = ec2.launch(InstanceInitiatedShutdownBehavior=behaviour)
    clock.advance(10)

    driver.crash(instance)
    clock.advance(10)

    assert ec2.state(instance) == end
    reason = ec2.describe(instance)["StateReason"]["Code"]
    assert reason == "Client.InstanceInitiatedShutdown"


def test_the_machine_stops_and_starts_with_its_instance(
    ec2: Ec2, driver: FakeDriver, clock: FakeClock
) -> None:
    instance = ec2.launch()
    clock.advance(10)

    ec2.api.stop_instances(InstanceIds=[instance])
    assert ec2.state(instance) == "stopping"
    clock.advance(10)
    assert (ec2.state(instance), driver.power(instance)) == ("stopped", Power.DOWN)

    ec2.api.start_instances(InstanceIds=[instance])
    assert ec2.state(instance) == "pending"
    clock.advance(10)
    assert (ec2.state(instance), driver.power(instance)) == ("running", Power.UP)


def test_a_reboot_is_not_a_stop(ec2: Ec2, driver: FakeDriver, clock: FakeClock) -> None:
    instance = ec2.launch()
    clock.advance(10)

    ec2.api.reboot_instances(InstanceIds=[instance])
    seen = set()
    for _ in range(20):
        clock.advance(1)
        seen.add(ec2.state(instance))

    assert seen == {"running"}
    assert driver.machines[instance].boots == 2


@pytest.mark.parametrize("verb", ["stop_instances", "reboot_instances"])
def test_only_a_running_instance_is_stopped_or_rebooted(ec2: Ec2, verb: str) -> None:
    instance = ec2.launch()

    with pytest.raises(ClientError) as refusal:
        getattr(ec2.api, verb)(InstanceIds=[instance])

    assert code_of(refusal) == "IncorrectInstanceState"


def test_a_terminated_instance_is_visible_for_an_hour(
    ec2: Ec2, driver: FakeDriver, clock: FakeClock
) -> None:
    instance = ec2.launch()
    clock.advance(10)
    ec2.api.terminate_instances(InstanceIds=[instance])
    assert ec2.state(instance) == "shutting-down"
    clock.advance(10)
    assert (ec2.state(instance), driver.power(instance)) == ("terminated", Power.GONE)

    clock.advance(VISIBLE_SECONDS, every=600)

    with pytest.raises(ClientError) as unknown:
        ec2.describe(instance)
    assert code_of(unknown) == "InvalidInstanceID.NotFound"


def test_terminating_twice_is_not_an_error(ec2: Ec2, clock: FakeClock) -> None:
    instance = ec2.launch()
    ec2.api.terminate_instances(InstanceIds=[instance])
    clock.advance(30)

    ec2.api.terminate_instances(InstanceIds=[instance])

    assert ec2.state(instance) == "terminated"


def test_without_a_subnet_the_default_one_is_used(ec2: Ec2) -> None:
    instance = ec2.describe(ec2.launch())

    subnets = ec2.api.describe_subnets(SubnetIds=[instance["SubnetId"]])["Subnets"]
    assert subnets[0]["DefaultForAz"]


def test_the_root_volume_is_where_the_image_says(ec2: Ec2) -> None:
    instance = ec2.describe(ec2.launch())

    attached = [mapping["DeviceName"] for mapping in instance["BlockDeviceMappings"]]
    assert attached == [instance["RootDeviceName"]] == ["/dev/xvda"]


def test_a_released_address_is_not_reused_at_once(ec2: Ec2, clock: FakeClock) -> None:
    given = []
    for _ in range(5):
        instance = ec2.launch()
        given.append(ec2.describe(instance)["PrivateIpAddress"])
        ec2.api.terminate_instances(InstanceIds=[instance])
        clock.advance(VISIBLE_SECONDS + 60, every=600)

    assert len(set(given)) == 5


def test_the_reserved_addresses_of_a_subnet_are_not_used(ec2: Ec2) -> None:
    vpc = ec2.api.create_vpc(CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.api.create_subnet(
        VpcId=vpc, CidrBlock="10.77.8.0/28", AvailabilityZone="us-east-1a"
    )["Subnet"]["SubnetId"]

    given = [ec2.describe(ec2.launch(SubnetId=subnet))["PrivateIpAddress"] for _ in range(11)]

    assert given == [f"10.77.8.{number}" for number in range(4, 15)]
    with pytest.raises(ClientError) as full:
        ec2.launch(SubnetId=subnet)
    assert code_of(full) == "InsufficientFreeAddressesInSubnet"
