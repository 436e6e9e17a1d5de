"""Run Command on fake machines: what runs, what comes back, and who is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.driver import Answer
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

Clients = Callable[[str], Any]


class Fleet:
    """Machines that are up, and commands sent to them."""

    def __init__(self, aws: Clients, clock: FakeClock) -> None:
        self.ec2, self.ssm, self.clock = aws("ec2"), aws("ssm"), clock
        self.ami = self.ec2.register_image(
            Name="base", RootDeviceName="/dev/xvda", Architecture="x86_64"
        )["ImageId"]

    def launch(self, role: str = "head") -> str:
        tags = [{"Key": "raykiln:role", "Value": role}]
        made = self.ec2.run_instances(
            ImageId=self.ami,
            MinCount=1,
            MaxCount=1,
            InstanceType="t3.micro",
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
        return str(made["Instances"][0]["InstanceId"])

    def boot(self) -> None:
        self.clock.advance(10)

    def send(self, *commands: str, **more: Any) -> str:
        parameters = {"commands": list(commands), **more.pop("parameters", {})}
        sent = self.ssm.send_command(
            DocumentName="AWS-RunShellScript", Parameters=parameters, **more
        )
        return str(sent["Command"]["CommandId"])

    def answer(self, command: str, instance: str) -> dict[str, Any]:
        found = self.ssm.get_command_invocation(CommandId=command, InstanceId=instance)
        return dict(found)


@pytest.fixture
def fleet(aws: Clients, clock: FakeClock) -> Fleet:
    return Fleet(aws, clock)


def test_a_script_runs_on_the_machine_and_its_output_comes_back(
    fleet: Fleet, driver: FakeDriver
) -> None:
    driver.on_run = lambda instance, script: Answer(0, f"ran {script}", "warning")
    head = fleet.launch()
    fleet.boot()

    command = fleet.send("ray status", "uptime", InstanceIds=[head])
    assert fleet.answer(command, head)["Status"] == "Pending"
    fleet.clock.advance(0)
    assert fleet.answer(command, head)["Status"] == "InProgress"
    fleet.clock.advance(5)

    answer = fleet.answer(command, head)
    assert driver.scripts == [(head, "ray status\nuptime\n")]
    assert (answer["Status"], answer["ResponseCode"]) == ("Success", 0)
    assert answer["StandardOutputContent"] == "ran ray status\nuptime\n"
    assert answer["StandardErrorContent"] == "warning"


def test_a_script_that_fails_is_a_failed_command(fleet: Fleet, driver: FakeDriver) -> None:
    driver.on_run = lambda instance, script: Answer(3, "", "no such file")
    head = fleet.launch()
    fleet.boot()

    command = fleet.send("cat /nowhere", InstanceIds=[head])
    fleet.clock.advance(5)

    answer = fleet.answer(command, head)
    assert (answer["Status"], answer["ResponseCode"]) == ("Failed", 3)
    (shown,) = fleet.ssm.list_commands(CommandId=command)["Commands"]
    assert (shown["Status"], shown["ErrorCount"], shown["CompletedCount"]) == ("Failed", 1, 1)


def test_a_script_that_takes_too_long_times_out(fleet: Fleet, driver: FakeDriver) -> None:
    driver.run_seconds = 1000
    head = fleet.launch()
    fleet.boot()

    command = fleet.send("sleep 900", InstanceIds=[head], parameters={"executionTimeout": ["60"]})
    fleet.clock.advance(59)
    assert fleet.answer(command, head)["Status"] == "InProgress"
    fleet.clock.advance(5)

    answer = fleet.answer(command, head)
    assert (answer["Status"], answer["StatusDetails"]) == ("TimedOut", "ExecutionTimedOut")


@pytest.mark.parametrize(
    ("exit_code", "status", "shown"),
    [(0, "Success", 24_000), (1, "Failed", 24_000), (124, "TimedOut", 0)],
)
def test_output_is_cut_and_that_of_a_script_that_timed_out_is_not_there(
    fleet: Fleet, driver: FakeDriver, exit_code: int, status: str, shown: int
) -> None:
    said = Answer(exit_code, "o" * 30_000, "e" * 30_000)
    driver.on_run = lambda instance, script: said
    driver.run_seconds = 60 if status == "TimedOut" else 1
    head = fleet.launch()
    fleet.boot()

    command = fleet.send("x", InstanceIds=[head], parameters={"executionTimeout": ["60"]})
    fleet.clock.advance(65)

    answer = fleet.answer(command, head)
    assert answer["Status"] == status
    assert answer["StandardOutputContent"] == "o" * shown
    assert answer["StandardErrorContent"] == "e" * 8_000


@pytest.mark.parametrize(
    ("away", "status", "details"),
    [(85, "Success", "Success"), (95, "TimedOut", "DeliveryTimedOut")],
)
def test_a_script_that_is_not_delivered_in_time_never_runs(
    fleet: Fleet, driver: FakeDriver, away: int, status: str, details: str
) -> None:
    """The time for its delivery and that for its execution count together: 90 s."""
    head = fleet.launch()
    fleet.boot()
    seconds = {"executionTimeout": ["60"]}
    command = fleet.send("true", InstanceIds=[head], TimeoutSeconds=30, parameters=seconds)
    driver.boot_seconds = away
    driver.start(head)  # it boots again before the agent asks for commands
    fleet.clock.advance(120)

    answer = fleet.answer(command, head)
    assert (answer["Status"], answer["StatusDetails"]) == (status, details)
    assert len(driver.scripts) == (status == "Success")


def test_a_cancelled_command_never_begins(fleet: Fleet, driver: FakeDriver) -> None:
    head, other = fleet.launch(), fleet.launch()
    fleet.boot()
    command = fleet.send("true", InstanceIds=[head, other])

    fleet.ssm.cancel_command(CommandId=command, InstanceIds=[head])
    fleet.clock.advance(5)

    assert fleet.answer(command, head)["Status"] == "Cancelled"
    assert fleet.answer(command, other)["Status"] == "Success"
    assert [instance for instance, _ in driver.scripts] == [other]


def test_what_runs_when_it_is_cancelled_has_no_result(fleet: Fleet, driver: FakeDriver) -> None:
    driver.run_seconds = 1000
    head = fleet.launch()
    fleet.boot()
    command = fleet.send("sleep 900", InstanceIds=[head])
    fleet.clock.advance(5)

    fleet.ssm.cancel_command(CommandId=command)
    fleet.clock.advance(2000)

    answer = fleet.answer(command, head)
    assert (answer["Status"], answer["StandardOutputContent"]) == ("Cancelled", "")


def test_targets_by_tag_reach_exactly_those_machines(fleet: Fleet, driver: FakeDriver) -> None:
    workers = {fleet.launch("worker"), fleet.launch("worker")}
    fleet.launch("head")
    fleet.boot()

    command = fleet.send("true", Targets=[{"Key": "tag:raykiln:role", "Values": ["worker"]}])
    fleet.clock.advance(5)

    found = fleet.ssm.list_command_invocations(CommandId=command, Details=True)
    assert {one["InstanceId"] for one in found["CommandInvocations"]} == workers
    assert {instance for instance, _ in driver.scripts} == workers


def test_a_machine_that_is_not_up_is_refused(fleet: Fleet) -> None:
    head = fleet.launch()
    fleet.boot()
    fleet.ec2.stop_instances(InstanceIds=[head])
    fleet.boot()

    with pytest.raises(ClientError, match="not in a valid state"):
        fleet.send("true", InstanceIds=[head])


def test_another_document_is_refused(fleet: Fleet) -> None:
    with pytest.raises(ClientError, match="InvalidDocument"):
        fleet.ssm.send_command(DocumentName="AWS-RunPowerShellScript", InstanceIds=[])


def test_only_machines_that_are_up_are_managed(fleet: Fleet) -> None:
    head = fleet.launch()
    assert fleet.ssm.describe_instance_information()["InstanceInformationList"] == []

    fleet.boot()

    (found,) = fleet.ssm.describe_instance_information()["InstanceInformationList"]
    assert (found["InstanceId"], found["PingStatus"]) == (head, "Online")


def test_a_secret_keeps_its_versions_and_is_decrypted_only_on_request(fleet: Fleet) -> None:
    for value in ("first", "second"):
        fleet.ssm.put_parameter(
            Name="/ray/test/redis_password", Value=value, Type="SecureString", Overwrite=True
        )

    read = fleet.ssm.get_parameter
    hidden = read(Name="/ray/test/redis_password")["Parameter"]
    told = read(Name="/ray/test/redis_password", WithDecryption=True)["Parameter"]
    before = read(Name="/ray/test/redis_password:1", WithDecryption=True)["Parameter"]

    assert hidden["Value"] != "second"
    assert (told["Value"], told["Version"], told["Type"]) == ("second", 2, "SecureString")
    assert before["Value"] == "first"
