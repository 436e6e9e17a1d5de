"""The local cloud answers each probe as AWS is taken to, and nothing of a probe stays."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass, field
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest

from common.clients import Clients
from common.errors import Denied, Refused, Unanswered
from common.waiting import Seen
from deploy.reach.plugin import OLDEST, NotReached
from localcloud import behaviour
from localcloud.behaviour import Behaviour
from localcloud.driver import Probed
from localcloud.patches.elbv2 import forwarding
from localcloud.patches.iam import enforced, make_user
from localcloud.patches.ssm.sessions import Session
from tests.probes.__main__ import main
from tests.probes.kit.agents import COMMANDS
from tests.probes.kit.instances import find_slot, launch, template
from tests.probes.kit.place import RUN_TAG, Place
from tests.probes.kit.registry import Probe, probes
from tests.probes.kit.stacks import create_stack, role
from tests.simulation.cloud import Cloud, simulated_cloud
from tests.simulation.machine import Machine
from tests.unit.answers import refused
from tests.unit.deploy.account.conftest import EVERYTHING

# What AWS does, in the words of its pages; beside them each probe's own ASSUMED.
ANSWERS = {
    "command_without_agent": "InvalidInstanceId",
    "conditional_put": "ConditionalCheckFailedException, with the item of the first put",
    "dry_run": "DryRunOperation, and 0 instances",
    "group_in_use": "DependencyViolation, and once the rule is gone: done",
    "hook_too_early": "Pending: ValidationError; Pending:Wait: done; then InService",
    "new_role": "within 300 s",
    "new_target": "healthy within 300 s, no traffic before",
    "nothing_to_change": "FAILED: The submitted information didn't contain changes.",
    "own_session": "its own: done; another's: AccessDeniedException",
    "parameter_twice": "done, then ParameterAlreadyExists, then version 2",
    "port_session": "SSH answers; the end: done; the plugin exits",
    "same_token": "one instance",
    "tags_of_both": "both=request, request=yes, template=yes",
    "template_numbers": "version 2, and after its deletion version 3",
    "whole_minutes": "0: 2, 60: 1",
}


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with simulated_cloud() as found:
        yield found


@dataclass
class Seat(Place):
    """A place from which a load balancer's name leads where its data plane does."""

    machines: dict[str, Machine] = field(default_factory=dict)

    @property
    def is_up(self) -> bool:
        """The probe's instance answers."""
        return all(machine.is_up for machine in self.machines.values())

    def hears(self, host: str, port: int) -> bool:
        if host == "localhost":
            return super().hears(host, port)
        if not host.endswith(".amazonaws.com"):
            return self.is_up
        servers = [one for plan in forwarding.plans() for f in plan.frontends for one in f.servers]
        return forwarding.READY in [one.state for one in servers]


@dataclass
class Lab:
    """The simulated cloud as an administrator's place for probes."""

    cloud: Cloud
    clients: Clients = field(init=False)
    image_id: str = field(init=False)

    def __post_init__(self) -> None:
        keys = make_user("administrator", EVERYTHING)
        self.clients = Clients(self.cloud.clients.region, boto3.session.Session(**keys))
        self.image_id = self.cloud.bake("worker")
        self.cloud.driver._listen = lambda *asked: Probed(connected=True)  # sshd

    def place(self, name: str) -> Place:
        return Seat(
            self.clients,
            self.cloud.clock,
            f"raykiln-probe-{name}",
            self.image_id,
            machines=self.cloud.driver.machines,
        )


@pytest.fixture(scope="module")
def lab(cloud: Cloud) -> Lab:
    return Lab(cloud)


# Forwards to an SSH server, as it were, until its session has ended.
PLUGIN = """#!{python}
import json, os, pathlib, select, socket, sys
if sys.argv[1:] == ["--version"]:
    print("{version}")
    sys.exit()
session = json.loads(os.environ[sys.argv[1]])["SessionId"]
listener = socket.create_server(("localhost", 0))
print(f"Port {{listener.getsockname()[1]}} opened for sessionId {{session}}.", flush=True)
while not pathlib.Path({ended!r}, session).exists():
    if select.select([listener], [], [], 0.05)[0]:
        connection, _ = listener.accept()
        connection.sendall(b"SSH-2.0")
        connection.close()
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session-manager-plugin in PATH, which learns when a session has ended."""
    ended, tool = tmp_path / "ended", tmp_path / "bin" / "session-manager-plugin"
    ended.mkdir()
    tool.parent.mkdir()
    version = ".".join(map(str, OLDEST))
    tool.write_text(PLUGIN.format(python=sys.executable, version=version, ended=str(ended)))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent))
    end = Session.end

    def told(session: Session, now: float, reason: str) -> None:
        end(session, now, reason)
        (ended / session.id).touch()

    monkeypatch.setattr(Session, "end", told)


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("probe", probes(), ids=lambda probe: probe.name)
def test_the_local_cloud_does_as_aws_is_taken_to_and_nothing_stays(probe: Probe, lab: Lab) -> None:
    with enforced(), lab.place(probe.name.replace("_", "-")) as place:
        found = probe.ask(place)

    assert (found, probe.assumed) == (ANSWERS[probe.name],) * 2
    assert probe.source.startswith("https://docs.aws.amazon.com/")
    assert place.left == []
    assert remaining(lab.clients, place.name) == []


def remaining(clients: Clients, name: str) -> list[str]:
    """Return what still has a probe's tag or name; ended instances do not count."""
    ec2 = clients("ec2")
    tagged = [{"Name": f"tag:{RUN_TAG}", "Values": [name]}]
    alive = {"Name": "instance-state-name", "Values": ["pending", "running", "stopping"]}
    instances = ec2.describe_instances(Filters=[*tagged, alive])["Reservations"]
    parameters = clients("ssm").describe_parameters()["Parameters"]
    return [
        *(str(one) for one in instances),
        *(v["VpcId"] for v in ec2.describe_vpcs(Filters=tagged)["Vpcs"]),
        *(g["GroupId"] for g in ec2.describe_security_groups(Filters=tagged)["SecurityGroups"]),
        *(
            t["LaunchTemplateName"]
            for t in ec2.describe_launch_templates()["LaunchTemplates"]
            if t["LaunchTemplateName"] == name
        ),
        *(n for n in clients("dynamodb").list_tables()["TableNames"] if n == name),
        *(p["Name"] for p in parameters if name in p["Name"]),
        *(
            s["StackName"]
            for s in clients("cloudformation").describe_stacks()["Stacks"]
            if s["StackName"] == name
        ),
        *(
            g["AutoScalingGroupName"]
            for g in clients("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        ),
        *(
            b["LoadBalancerName"]
            for b in clients("elbv2").describe_load_balancers()["LoadBalancers"]
        ),
        *(g["TargetGroupName"] for g in clients("elbv2").describe_target_groups()["TargetGroups"]),
    ]


@pytest.mark.parametrize(
    ("like", "found", "healthy"),
    [
        (behaviour.LIKE_AWS, "healthy within 300 s, no traffic before", range(180, 220)),
        (
            Behaviour(registration=400),
            "healthy not within 300 s, no traffic before",
            range(400, 440),
        ),
    ],
)
def test_the_time_from_a_target_s_registration_until_it_is_healthy_is_told(
    like: Behaviour, found: str, healthy: range, lab: Lab
) -> None:
    behaviour.install(like)
    try:
        with lab.place("new-target") as place:
            assert import_module("tests.probes.new_target").probe(place) == found
    finally:
        behaviour.install(behaviour.IDEALIZED)

    told = re.fullmatch(r"healthy after (\d+) s, traffic after (\d+) s", ", ".join(place.notes))
    assert told, place.notes
    assert int(told[1]) in healthy
    assert int(told[2]) == int(told[1])
    assert place.left == []


def test_traffic_before_a_target_is_healthy_is_told(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Seat, "hears", lambda seat, *asked: seat.is_up)
    behaviour.install(Behaviour(registration=60))
    try:
        with lab.place("new-target") as place:
            found = import_module("tests.probes.new_target").probe(place)
    finally:
        behaviour.install(behaviour.IDEALIZED)

    assert found == "healthy within 300 s, traffic before"
    assert place.notes[1] == "traffic after 0 s"


def test_the_agent_of_a_probe_may_what_a_node_s_may() -> None:
    text = Path("deploy/foundation/template.yaml").read_text()
    found = re.search(r"Sid: TakeCommands\s+Effect: Allow\s+Action: \[([^]]*)\]", text)

    assert found
    assert found[1].replace(",", " ").split() == COMMANDS


def test_a_stack_that_cannot_be_made_is_told_and_goes(lab: Lab) -> None:
    broken = {"Role": role({"AWS": {"Ref": "AWS::AccountId"}}, {"Effect": "Perhaps"})}

    with lab.place("broken") as place, pytest.raises(Unanswered, match="was rolled back"):
        create_stack(place, broken)

    assert place.left == []
    assert remaining(lab.clients, place.name) == []


def test_a_plugin_that_outlives_its_session_is_told(
    lab: Lab, plugin: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module("tests.probes.port_session")
    monkeypatch.setattr(Session, "end", lambda *_: None)
    monkeypatch.setattr(module, "EXITS_WITHIN", 0.5)

    with lab.place("port-session") as place:
        assert module.probe(place) == "SSH answers; the end: done; the plugin runs on"

    assert place.left == []


def test_without_the_plugin_that_is_told_and_nothing_is_made(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with lab.place("port-session") as place, pytest.raises(NotReached, match="not installed"):
        import_module("tests.probes.port_session").probe(place)


@pytest.mark.parametrize(
    ("known", "found"), [(120.0, "within 300 s"), (420.0, "not within 300 s"), (900.0, "not")]
)
def test_how_long_a_new_role_is_unknown_is_told(
    known: float, found: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, as_role = lab.cloud.clock, Clients.as_role
    begun = clock.now()

    def refused_first(clients: Clients, *asked: str) -> Clients:
        if clock.now() < begun + known:
            raise Denied("AWS answered AccessDenied")
        return as_role(clients, *asked)

    monkeypatch.setattr(Clients, "as_role", refused_first)

    with lab.place("new-role") as place:
        assert import_module("tests.probes.new_role").probe(place).startswith(found)

    assert [note.startswith("after ") for note in place.notes] == [True] * (known < 600)
    assert place.left == []


def test_a_region_without_a_default_subnet_is_told(lab: Lab) -> None:
    place = lab.place("homeless")
    none = SimpleNamespace(describe_subnets=lambda **_: {"Subnets": []})
    place.clients = cast(Clients, lambda service: none)

    with pytest.raises(Refused, match="no default subnet") as found:
        find_slot(place)

    assert "aws ec2 create-default-vpc" in found.value.hint


@pytest.mark.parametrize(
    ("architecture", "offered", "slot"),
    [
        ("x86_64", {"t3.nano": "ab", "t3a.nano": "ab"}, ("t3.nano", "subnet-a", "vpc-1")),
        ("x86_64", {"t3.nano": "b", "t3a.nano": "ab"}, ("t3.nano", "subnet-b", "vpc-1")),
        ("x86_64", {"t3a.nano": "a"}, ("t3a.nano", "subnet-a", "vpc-1")),
        ("arm64", {"t4g.nano": "b"}, ("t4g.nano", "subnet-b", "vpc-1")),
    ],
)
def test_an_instance_is_of_a_type_for_its_image_in_a_zone_that_offers_it(
    lab: Lab, architecture: str, offered: dict[str, str], slot: tuple[str, str, str]
) -> None:
    place = lab.place("types")
    place.clients = cast(Clients, lambda service: a_region(architecture, offered))

    assert astuple(find_slot(place)) == slot


def test_where_no_zone_offers_a_type_that_is_told(lab: Lab) -> None:
    place = lab.place("types")
    place.clients = cast(Clients, lambda service: a_region("arm64", {"t3.nano": "ab"}))

    with pytest.raises(Refused, match=r"offers t4g\.nano or t4g\.micro or m6g\.medium"):
        find_slot(place)


def a_region(architecture: str, offered: dict[str, str]) -> SimpleNamespace:
    """An EC2 with a default subnet in the zones a and b, and types in those that are named."""
    subnets = [
        {"SubnetId": f"subnet-{zone}", "VpcId": "vpc-1", "AvailabilityZone": zone} for zone in "ba"
    ]

    def offerings(**asked: Any) -> Any:
        wanted = [kind for kind in asked["Filters"][0]["Values"] if kind in offered]
        return {
            "InstanceTypeOfferings": [
                {"InstanceType": kind, "Location": zone}
                for kind in wanted
                for zone in offered[kind]
            ]
        }

    return SimpleNamespace(
        describe_subnets=lambda **_: {"Subnets": subnets},
        describe_images=lambda **_: {"Images": [{"Architecture": architecture}]},
        describe_instance_type_offerings=offerings,
    )


def test_every_launch_has_what_an_account_may_demand(lab: Lab) -> None:
    place = lab.place("demands")
    place.given = {"cost-centre": "42", "Name": "not-the-probe's"}
    ec2 = lab.clients("ec2")

    with place:
        made = template(place, find_slot(place))
        (version,) = ec2.describe_launch_template_versions(LaunchTemplateId=made)[
            "LaunchTemplateVersions"
        ]
        instance = launch(place)
        (found,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"]

    assert version["LaunchTemplateData"]["MetadataOptions"]["HttpTokens"] == "required"
    assert found["MetadataOptions"]["HttpTokens"] == "required"
    assert {tag["Key"]: tag["Value"] for tag in found["Tags"]} == {
        "cost-centre": "42",
        "Name": "raykiln-probe-demands",
        "raykiln:probe": "raykiln-probe-demands",
    }


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "VcpuLimitExceeded", "AccessDenied"])
def test_a_refusal_of_the_account_s_is_no_answer_of_aws(
    code: str, lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: object) -> None:
        raise refused(code)

    monkeypatch.setattr(lab.clients("ec2"), "run_instances", refuse)
    monkeypatch.setattr("tests.probes.__main__.Clients", lambda region: lab.clients)
    monkeypatch.setattr("tests.probes.__main__.SystemClock", lambda: lab.cloud.clock)

    assert main(["--region", lab.clients.region, "--image", lab.image_id, "dry_run"]) == 2

    told = capsys.readouterr().out
    assert told.startswith(f"not asked  dry_run could not be asked: AWS answered {code}\n")
    assert "OTHERWISE" not in told


def test_what_a_failed_probe_made_is_removed(lab: Lab) -> None:
    place = lab.place("fails")

    def fail() -> None:
        with place:
            template(place, find_slot(place))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert place.left == []
    assert remaining(lab.clients, "raykiln-probe-fails") == []


def test_what_cannot_be_removed_is_named_and_the_rest_goes(lab: Lab) -> None:
    with lab.place("stuck") as place:
        template(place, find_slot(place))
        vpc = {"VpcId": lab.clients("ec2").create_vpc(CidrBlock="10.9.0.0/24")["Vpc"]["VpcId"]}
        subnet = lab.clients("ec2").create_subnet(**vpc, CidrBlock="10.9.0.0/24")["Subnet"]
        place.afterwards("VPC x", lambda: lab.clients("ec2").delete_vpc(**vpc))

    assert len(place.left) == 1
    assert place.left[0].startswith("VPC x: the removal of VPC x: not within 600 s")
    assert "DependencyViolation" in place.left[0]
    assert remaining(lab.clients, "raykiln-probe-stuck") == []
    lab.clients("ec2").delete_subnet(SubnetId=subnet["SubnetId"])
    lab.clients("ec2").delete_vpc(**vpc)


def test_an_instance_that_was_too_fast_for_a_look_is_no_answer(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module("tests.probes.hook_too_early")
    states = iter(("Pending:Wait", "InService"))
    one = {"InstanceId": "i-1"}
    monkeypatch.setattr(
        module, "scaling_group", lambda *_, **__: lambda: [{**one, "LifecycleState": next(states)}]
    )

    with lab.place("hook") as place, pytest.raises(Unanswered, match="before it was looked at"):
        module.probe(place)


def test_a_target_that_is_never_healthy_is_told(lab: Lab) -> None:
    behaviour.install(Behaviour(registration=5000))
    try:
        with lab.place("new-target") as place:
            found = import_module("tests.probes.new_target").probe(place)
    finally:
        behaviour.install(behaviour.IDEALIZED)

    assert found == "healthy not within 300 s, no traffic before"


def test_a_surprise_is_told_with_its_page_and_exits_with_2(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = import_module("tests.probes.dry_run")
    monkeypatch.setattr(module, "ASSUMED", "something else")
    monkeypatch.setattr("tests.probes.__main__.SystemClock", lambda: lab.cloud.clock)
    where = ["--region", lab.clients.region, "--image", lab.image_id]

    assert main([*where, "dry_run", "parameter_twice"]) == 2

    told = capsys.readouterr().out
    assert "OTHERWISE  dry_run: DryRunOperation, and 0 instances" in told
    assert "assumed: something else" in told
    assert "as assumed parameter_twice: done, then ParameterAlreadyExists" in told
    monkeypatch.undo()
    monkeypatch.setattr("tests.probes.__main__.SystemClock", lambda: lab.cloud.clock)
    assert main([*where, "dry_run"]) == 0


def test_a_probe_that_gets_no_answer_is_told_and_the_next_is_asked(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.probes.__main__.SystemClock", lambda: lab.cloud.clock)
    where = ["--region", lab.clients.region, "--image", "ami-0"]

    assert main([*where, "dry_run", "same_token"]) == 2

    told = capsys.readouterr().out
    assert "not asked  dry_run could not be asked: An error occurred (InvalidAMIID." in told
    assert "not asked  same_token could not be asked: " in told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_probe_removes_what_it_made_and_the_next_is_not_asked(
    number: signal.Signals,
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = list[str]()

    def interrupted(place: Place) -> str:
        names.append(place.name)
        template(place, find_slot(place))
        launch(place)
        place.afterwards("the last", lambda: os.kill(os.getpid(), number))  # a second one
        os.kill(os.getpid(), number)
        place.until("nothing", lambda: Seen[bool](None, "nothing"))
        return "not reached"

    monkeypatch.setattr(import_module("tests.probes.same_token"), "probe", interrupted)
    monkeypatch.setattr("tests.probes.__main__.SystemClock", lambda: lab.cloud.clock)
    where = ["--region", lab.clients.region, "--image", lab.image_id]
    before = signal.getsignal(number)

    assert main([*where, "same_token", "dry_run"]) == 130

    assert remaining(lab.clients, *names) == []
    told = capsys.readouterr().out
    assert told.startswith("stopped    same_token: interrupted while it waited for nothing; ")
    assert "dry_run" not in told
    assert signal.getsignal(number) == before


def test_what_an_interrupted_probe_cannot_remove_is_named(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise OSError("no line")

    def interrupted(place: Place) -> str:
        place.afterwards("table x", fail)
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("tests.probes.same_token"), "probe", interrupted)
    where = ["--region", lab.clients.region, "--image", lab.image_id]

    with pytest.raises(KeyboardInterrupt):
        main([*where, "same_token"])

    told = capsys.readouterr().out
    assert "LEFT       table x: no line; it has the tag raykiln:probe=raykiln-probe-" in told


def test_an_unknown_probe_is_refused_before_anything_is_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["--region", "us-east-1", "--image", "ami-0", "dry_run", "missing"])

    assert exited.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "there is no probe 'missing'\n  → invoke probe --list" in told.err
