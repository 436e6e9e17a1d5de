"""A fresh instance is private, and removed afterwards in every case."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bake import fresh_instance as module
from bake.fresh_instance import InstanceSpec, SshAccess, fresh_instance
from bake.owner import TAG, this_process
from bake.subnet import resolve_subnet
from common.clients import Clients
from common.errors import Refused, TimedOut
from common.waiting import Seen
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
