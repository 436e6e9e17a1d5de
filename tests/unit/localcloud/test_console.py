"""The console: what the machine itself wrote, and nothing else."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock, FakeDriver


def launched(ec2: Any, kind: str = "m5.large") -> str:
    image = ec2.register_image(Name="an-image", Architecture="x86_64")["ImageId"]
    answer = ec2.run_instances(ImageId=image, InstanceType=kind, MinCount=1, MaxCount=1)
    return str(answer["Instances"][0]["InstanceId"])


def test_console_output_remains_after_termination(
    aws: Clients, clock: FakeClock, driver: FakeDriver
) -> None:
    ec2 = aws("ec2")
    name = launched(ec2)
    driver.consoles[name] = "it is too dark here ☾\n"
    clock.advance(10)

    ec2.terminate_instances(InstanceIds=[name])
    clock.advance(10)

    assert ec2.get_console_output(InstanceId=name)["Output"] == "it is too dark here ☾\n"


def test_a_running_instance_shows_its_start_unless_the_latest_is_asked_for(
    aws: Clients, clock: FakeClock, driver: FakeDriver
) -> None:
    ec2 = aws("ec2")
    name = launched(ec2)
    driver.consoles[name] = "it boots\n"
    before = ec2.get_console_output(InstanceId=name)["Output"]
    clock.advance(10)
    driver.consoles[name] += "it is too dark here\n"
    clock.advance(10)

    assert before == ""
    assert ec2.get_console_output(InstanceId=name)["Output"] == "it boots\n"
    latest = ec2.get_console_output(InstanceId=name, Latest=True)["Output"]
    assert latest == "it boots\nit is too dark here\n"
    ec2.stop_instances(InstanceIds=[name])
    clock.advance(10)
    assert ec2.get_console_output(InstanceId=name)["Output"] == latest


def test_only_types_on_nitro_have_the_latest(aws: Clients, clock: FakeClock) -> None:
    ec2 = aws("ec2")
    name = launched(ec2, "m4.large")
    clock.advance(10)

    with pytest.raises(ClientError, match="UnsupportedOperation"):
        ec2.get_console_output(InstanceId=name, Latest=True)
