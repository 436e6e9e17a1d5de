"""An instance for a while: private, and gone afterwards whatever happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bake import fresh_instance as module
from bake.fresh_instance import Reach, fresh_instance
from bake.owner import TAG, this_process
from bake.subnet import resolve_subnet
from common.clients import Clients
from common.errors import Refused, TimedOut
from common.waiting import Seen
from tests.unit.deploy.builders import an_environment
from tests.unit.localcloud.fakes import FakeClock


@pytest.fixture(autouse=True)
def ssh(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Nothing is dialled: whether SSH answers is what a test says."""
    answers = {"yes": True}

    def look(address: str) -> Seen[bool]:
        return Seen(True if answers["yes"] else None, f"{address}: as the test says")

    monkeypatch.setattr(module, "ssh_answers", look)
    return answers


class Bench:
    """Boots instances in the world of the test."""

    def __init__(self, clients: Clients, clock: FakeClock, folder: Path) -> None:
        self.clients, self.clock, self.folder = clients, clock, folder

    @contextmanager
    def boot(self, cancelled: bool = False) -> Iterator[Reach]:
        environment = an_environment()
        with fresh_instance(
            self.clients,
            environment,
            resolve_subnet(self.clients, environment.image),
            "ami-1",
            name="a-test",
            owner=this_process(),
            folder=self.folder,
            clock=self.clock,
            cancelled=lambda: cancelled,
            progress=lambda words: None,
        ) as reach:
            yield reach

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


def test_it_is_private_requires_tokens_and_says_whose_it_is(bench: Bench) -> None:
    with bench.boot() as reach:
        (instance,) = bench.instances()

        assert instance["PrivateIpAddress"] == reach.address
        assert "PublicIpAddress" not in instance
        assert instance["MetadataOptions"]["HttpTokens"] == "required"
        assert "IamInstanceProfile" not in instance
        assert {"Key": TAG, "Value": str(this_process())} in instance["Tags"]


def test_only_its_owner_can_read_its_key(bench: Bench) -> None:
    with bench.boot() as reach:
        assert reach.key_file.stat().st_mode & 0o777 == 0o600


def test_only_the_operator_can_reach_it_and_only_by_ssh(bench: Bench) -> None:
    with bench.boot():
        groups = bench.clients("ec2").describe_security_groups()["SecurityGroups"]
        (ours,) = (group for group in groups if group["GroupName"] == "a-test")

        (rule,) = ours["IpPermissions"]
        assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
        assert [r["CidrIp"] for r in rule["IpRanges"]] == ["10.77.0.1/32"]


def test_nothing_is_left_when_all_went_well(bench: Bench) -> None:
    with bench.boot():
        assert not bench.is_clean()

    assert bench.is_clean()


def test_nothing_is_left_when_its_user_fails(bench: Bench) -> None:
    with pytest.raises(ZeroDivisionError), bench.boot():
        raise ZeroDivisionError

    assert bench.is_clean()


def test_nothing_is_left_when_it_does_not_boot(bench: Bench, ssh: dict[str, bool]) -> None:
    ssh["yes"] = False

    with pytest.raises(TimedOut, match="as the test says"), bench.boot():
        pytest.fail("it was handed out though SSH does not answer")

    assert bench.is_clean()


def test_nothing_is_left_when_the_bake_is_cancelled(bench: Bench) -> None:
    with pytest.raises(Refused, match="cancelled"), bench.boot(cancelled=True):
        pytest.fail("it was handed out though nobody waits for it")

    assert bench.is_clean()
