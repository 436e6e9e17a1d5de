"""A fresh instance is private, and removed afterwards in every case."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bake import fresh_instance as module
from bake.fresh_instance import (
    InstanceSpec,
    SshAccess,
    create_access,
    delete_group,
    fresh_instance,
    ssh_answers,
    terminate,
)
from bake.owner import TAG, this_process
from bake.subnet import Subnet, resolve_subnet
from common.clients import Clients
from common.errors import Refused, TimedOut
from common.waiting import Seen
from tests.unit.answers import Answers, refused
from tests.unit.deploy.builders import an_environment
from tests.unit.localcloud.fakes import FakeClock


@pytest.fixture(autouse=True)
def ssh(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Open no connection: each test decides whether SSH answers."""
    answers = {"yes": True}

    def look(address: str) -> Seen[bool]:
        return Seen(True if answers["yes"] else None, f"{address}: as the test decides")

    monkeypatch.setattr(module, "ssh_answers", look)
    return answers


class Bench:
    """Boots instances in the test's simulated AWS."""

    def __init__(self, clients: Clients, clock: FakeClock, folder: Path) -> None:
        self.clients, self.clock, self.folder = clients, clock, folder

    @contextmanager
    def boot(self, cancelled: bool = False) -> Iterator[SshAccess]:
        environment = an_environment()
        spec = InstanceSpec(
            environment,
            environment.image,
            resolve_subnet(self.clients, environment.image),
            "ami-1",
            name="a-test",
            owner=this_process(),
            folder=self.folder,
        )
        with fresh_instance(
            self.clients,
            spec,
            clock=self.clock,
            is_cancelled=lambda: cancelled,
            progress=lambda words: None,
        ) as access:
            yield access

    def instances(self) -> list[dict[str, Any]]:
        found = self.clients("ec2").describe_instances()["Reservations"]
        return [instance for reservation in found for instance in reservation["Instances"]]

    def is_clean(self) -> bool:
        ec2 = self.clients("ec2")
        groups = [group["GroupName"] for group in ec2.describe_security_groups()["SecurityGroups"]]
        return (
            {instance["State"]["Name"] for instance in self.instances()} <= {"terminated"}
            and ec2.describe_key_pairs()["KeyPairs"] == []
            and groups == ["default"]
            and list(self.folder.iterdir()) == []
        )


@pytest.fixture
def bench(clients: Clients, clock: FakeClock, tmp_path: Path) -> Bench:
    return Bench(clients, clock, tmp_path)


def test_it_is_private_requires_imdsv2_and_is_tagged_with_its_owner(bench: Bench) -> None:
    with bench.boot() as access:
        (instance,) = bench.instances()

        assert instance["PrivateIpAddress"] == access.address
        assert "PublicIpAddress" not in instance
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        assert "IamInstanceProfile" not in instance
        assert {"Key": TAG, "Value": str(this_process())} in instance["Tags"]


def test_only_the_user_can_read_its_key(bench: Bench) -> None:
    with bench.boot() as access:
        assert access.key_file.stat().st_mode & 0o777 == 0o600


def test_it_accepts_only_ssh_and_only_from_the_operator(bench: Bench) -> None:
    with bench.boot():
        groups = bench.clients("ec2").describe_security_groups()["SecurityGroups"]
        (ours,) = (group for group in groups if group["GroupName"] == "a-test")

        (rule,) = ours["IpPermissions"]
        assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
        assert [r["CidrIp"] for r in rule["IpRanges"]] == ["10.77.0.1/32"]


def test_nothing_is_left_after_success(bench: Bench) -> None:
    with bench.boot():
        assert not bench.is_clean()

    assert bench.is_clean()


def test_nothing_is_left_when_its_caller_fails(bench: Bench) -> None:
    with pytest.raises(ZeroDivisionError), bench.boot():
        raise ZeroDivisionError

    assert bench.is_clean()


def test_nothing_is_left_when_it_does_not_boot(bench: Bench, ssh: dict[str, bool]) -> None:
    ssh["yes"] = False

    with pytest.raises(TimedOut, match="as the test decides"), bench.boot():
        pytest.fail("it was yielded although SSH does not answer")

    assert bench.is_clean()


def test_nothing_is_left_when_the_bake_is_cancelled(bench: Bench) -> None:
    with pytest.raises(Refused, match="cancelled"), bench.boot(cancelled=True):
        pytest.fail("it was yielded although the bake was cancelled")

    assert bench.is_clean()


def a_spec(folder: Path) -> InstanceSpec:
    environment = an_environment()
    return InstanceSpec(
        environment,
        environment.image,
        Subnet("subnet-1", "vpc-1"),
        "ami-1",
        name="a-test",
        owner=this_process(),
        folder=folder,
    )


def tagged(*kinds: str) -> list[dict[str, Any]]:
    tags = {"project": "raykiln", TAG: str(this_process()), "Name": "a-test"}
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    return [{"ResourceType": kind, "Tags": pairs} for kind in kinds]


def test_it_is_launched_in_its_subnet_with_a_private_address_and_imdsv2(tmp_path: Path) -> None:
    aws: Any = Answers(run_instances={"Instances": [{"InstanceId": "i-1"}]})

    assert module._launch(aws, a_spec(tmp_path), "sg-1", FakeClock()) == "i-1"

    assert aws.requests == [
        (
            "ec2:run_instances",
            {
                "ImageId": "ami-1",
                "InstanceType": "m6i.large",
                "MinCount": 1,
                "MaxCount": 1,
                "KeyName": "a-test",
                "InstanceInitiatedShutdownBehavior": "terminate",
                "MetadataOptions": {"HttpTokens": "required"},
                "NetworkInterfaces": [
                    {
                        "DeviceIndex": 0,
                        "AssociatePublicIpAddress": False,
                        "Groups": ["sg-1"],
                        "SubnetId": "subnet-1",
                    }
                ],
                "TagSpecifications": tagged("instance", "volume"),
            },
        )
    ]


def test_its_key_and_its_group_are_its_own_and_are_deleted_with_it(tmp_path: Path) -> None:
    aws: Any = Answers(
        create_key_pair={"KeyMaterial": "a key"},
        create_security_group={"GroupId": "sg-1"},
        authorize_security_group_ingress={},
        delete_security_group={},
        delete_key_pair={},
    )

    with ExitStack() as cleanup:
        access = create_access(aws, a_spec(tmp_path), FakeClock(), cleanup)
        assert (access.key_file.read_text(), access.group_id) == ("a key", "sg-1")

    assert aws.requests == [
        (
            "ec2:create_key_pair",
            {"KeyName": "a-test", "KeyType": "ed25519", "TagSpecifications": tagged("key-pair")},
        ),
        (
            "ec2:create_security_group",
            {
                "GroupName": "a-test",
                "Description": "SSH from the operator, while an image is built or tested",
                "TagSpecifications": tagged("security-group"),
                "VpcId": "vpc-1",
            },
        ),
        (
            "ec2:authorize_security_group_ingress",
            {
                "GroupId": "sg-1",
                "IpPermissions": [
                    {
                        "IpProtocol": "tcp",
                        "FromPort": 22,
                        "ToPort": 22,
                        "IpRanges": [{"CidrIp": "10.77.0.1/32"}],
                    }
                ],
            },
        ),
        ("ec2:delete_security_group", {"GroupId": "sg-1"}),
        ("ec2:delete_key_pair", {"KeyName": "a-test"}),
    ]
    assert not access.key_file.exists()


def listed(state: str, **fields: str) -> dict[str, Any]:
    instance = {"State": {"Name": state}, **fields}
    return {"Reservations": [{"Instances": [instance]}]}


def test_its_address_is_awaited_while_ec2_does_not_list_it() -> None:
    clock = FakeClock()
    began = clock.now()
    aws: Any = Answers(
        describe_instances=[
            refused("InvalidInstanceID.NotFound"),
            listed("pending"),
            listed("pending", PrivateIpAddress="10.0.0.9"),
        ]
    )

    assert module._address(aws, "i-1", clock) == "10.0.0.9"

    assert aws.requests == [("ec2:describe_instances", {"InstanceIds": ["i-1"]})] * 3
    assert clock.now() - began == 0.5


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refused("InvalidInstanceID.NotFound"), "not listed yet"),
        (listed("pending"), "pending"),
    ],
)
def test_an_address_that_does_not_come_is_not_awaited_for_ever(answer: Any, words: str) -> None:
    clock = FakeClock()
    began = clock.now()

    with pytest.raises(TimedOut, match=f"the address of i-1.*{words}"):
        module._address(Answers(describe_instances=answer), "i-1", clock)  # type: ignore[arg-type]

    assert 60 <= clock.now() - began <= 60.25


def test_another_refusal_is_an_error_at_once() -> None:
    aws: Any = Answers(
        describe_instances=refused("UnauthorizedOperation"),
        delete_security_group=refused("UnauthorizedOperation"),
    )

    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        module._address(aws, "i-1", FakeClock())
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        delete_group(aws, "sg-1", FakeClock())


def test_instances_are_terminated_together_and_awaited() -> None:
    clock = FakeClock()
    began = clock.now()
    aws: Any = Answers(
        terminate_instances={},
        describe_instances=[listed("shutting-down"), listed("terminated")],
    )

    terminate(aws, ("i-1", "i-2"), clock)
    terminate(aws, (), clock)

    ids = {"InstanceIds": ["i-1", "i-2"]}
    assert aws.requests == [
        ("ec2:terminate_instances", ids),
        *[("ec2:describe_instances", ids)] * 2,
    ]
    assert clock.now() - began == 0.5


def test_what_ec2_does_not_know_yet_is_made_and_removed_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "Eventual consistency in the Amazon EC2 API", its developer guide."""
    ec2, unknown = (
        bench.clients("ec2"),
        {
            "authorize_security_group_ingress": "InvalidGroup.NotFound",
            "run_instances": "InvalidKeyPair.NotFound",
            "describe_instances": "InvalidInstanceID.NotFound",
            "terminate_instances": "InvalidInstanceID.NotFound",
        },
    )
    left = dict.fromkeys(unknown, 2)

    def slow(name: str) -> Callable[..., Any]:
        call = getattr(ec2, name)

        def asked(**request: Any) -> Any:
            if left[name]:
                left[name] -= 1
                raise refused(unknown[name])
            return call(**request)

        return asked

    with monkeypatch.context() as patch:
        for name in unknown:
            patch.setattr(ec2, name, slow(name))
        with bench.boot():
            left["describe_instances"] = 2

    assert set(left.values()) == {0}
    assert len(bench.instances()) == 1
    assert bench.is_clean()


def test_an_instance_that_does_not_terminate_is_named() -> None:
    aws: Any = Answers(terminate_instances={}, describe_instances=listed("shutting-down"))

    with pytest.raises(TimedOut, match=r"termination of i-1.*600 s.*shutting-down") as failed:
        terminate(aws, ("i-1",), FakeClock())

    assert failed.value.hint == "check them in the EC2 console; the next bake tries again"


def test_a_group_is_deleted_once_nothing_uses_it() -> None:
    clock = FakeClock()
    began = clock.now()
    aws: Any = Answers(delete_security_group=[refused("DependencyViolation"), {}])

    delete_group(aws, "sg-1", clock)

    assert aws.requests == [("ec2:delete_security_group", {"GroupId": "sg-1"})] * 2
    assert clock.now() - began == 1.0
    delete_group(Answers(delete_security_group=refused("InvalidGroup.NotFound")), "sg-1", clock)  # type: ignore[arg-type]


def test_a_group_that_stays_in_use_is_named() -> None:
    aws: Any = Answers(delete_security_group=refused("DependencyViolation"))

    with pytest.raises(TimedOut, match=r"the deletion of sg-1.*600 s.*still in use"):
        delete_group(aws, "sg-1", FakeClock())


@pytest.mark.parametrize(
    ("banner", "answers", "words"),
    [
        (b"SSH-2.0-x", True, "10.0.0.9: b'SSH-'"),
        (b"HTTP/1.1", None, "10.0.0.9: b'HTTP'"),
        (b"", None, "10.0.0.9: b''"),
    ],
)
def test_only_an_ssh_server_counts_as_one(
    monkeypatch: pytest.MonkeyPatch, banner: bytes, answers: bool | None, words: str
) -> None:
    asked: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect = socket.create_connection

        def create_connection(address: tuple[str, int], timeout: float) -> socket.socket:
            asked.append((address, timeout))
            connection = connect(server.getsockname(), timeout)
            peer, _ = server.accept()
            peer.sendall(banner)
            peer.close()
            return connection

        monkeypatch.setattr(socket, "create_connection", create_connection)
        seen = ssh_answers("10.0.0.9")

    assert (seen.value, seen.words) == (answers, words)
    assert asked == [(("10.0.0.9", 22), 1)]


def test_a_port_that_is_closed_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(address: tuple[str, int], timeout: float) -> socket.socket:
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(socket, "create_connection", refuse)

    seen = ssh_answers("10.0.0.9")

    assert (seen.value, seen.words) == (None, "10.0.0.9: refused")
