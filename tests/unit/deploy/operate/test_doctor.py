"""What `invoke doctor` finds, and that it changes nothing and takes no failed look for a pass."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bake.source_lock import newest_lock
from common.checkout import REPOSITORY
from common.clients import Clients
from common.errors import Unanswered
from deploy.operate import doctor, doctor_machine
from deploy.operate.diagnosis import Diagnosis, examine
from localcloud.account import ec2_backend
from localcloud.patches.iam import enforced
from localcloud.patches.iam.record import decisions
from tests.unit.deploy.account.conftest import Account, account  # noqa: F401 - a fixture
from tests.unit.deploy.builders import REGION, an_environment

READS = ("Describe", "Get", "List", "Head")


@pytest.fixture(autouse=True)
def _aws_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket leaves the test."""

    def reached(service: str, host: str, port: int = 443) -> Diagnosis:
        return Diagnosis("endpoint", "pass", f"{service} at {host}")

    monkeypatch.setattr(doctor, "endpoint", reached)


def diagnosed(clients: Clients, tmp_path: Path, **changes: Any) -> dict[str, list[Diagnosis]]:
    """Return what doctor finds, by the name of the look."""
    found: dict[str, list[Diagnosis]] = {}
    environment = an_environment(**changes)
    for one in doctor.diagnose(clients, environment, cache=tmp_path):
        found.setdefault(one.name, []).append(one)
    return found


def test_a_ready_account_passes_and_nothing_is_changed(
    account: Account,  # noqa: F811 - a fixture
    tmp_path: Path,
) -> None:
    nodes = {"permissions_boundary": account.environment.nodes.permissions_boundary}
    clients = account.as_role("deploy")

    with enforced(), decisions() as decided:
        found = diagnosed(
            clients, tmp_path, nodes=nodes, network={"operator_cidrs": ["10.77.0.1/32"]}
        )

    states = {one.name: (one.state, one.seen) for every in found.values() for one in every}
    looks = (
        *("credentials", "roles", "boundary", "base image"),
        *("build subnet", "build instance", "Packer"),
    )
    assert {name: states[name] for name in looks if states[name][0] != "pass"} == {}
    mine = {one.check.action for one in decided if "raykiln-dev-deploy" in one.principal}
    assert {a for a in mine if not a.partition(":")[2].startswith(READS)} == set()


def test_an_account_without_roles_is_a_warning_that_says_what_to_do(
    world: Any, tmp_path: Path
) -> None:
    found = diagnosed(Clients(REGION), tmp_path)

    (roles,) = found["roles"]
    assert roles.state == "warning"
    assert roles.hint == "an administrator runs invoke account.setup --env dev"
    assert [one.state for one in found["service-linked role"]] == ["warning", "warning"]


def test_a_deprecated_base_image_is_a_warning_and_a_locked_one_that_is_gone_fails(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = Clients(REGION)
    lock = newest_lock(clients, an_environment())
    monkeypatch.setattr(doctor, "read_lock", lambda environment: lock)
    (entry,) = lock.values()
    past = datetime(2020, 1, 1, tzinfo=UTC)
    ec2_backend().amis[entry.id].deprecation_time = past.isoformat()

    (deprecated,) = diagnosed(clients, tmp_path)["base image"]
    del ec2_backend().amis[entry.id]
    (gone,) = diagnosed(clients, tmp_path)["base image"]

    assert (deprecated.state, gone.state) == ("warning", "fail")
    assert deprecated.hint.startswith("invoke lock --env dev")
    assert f"{entry.id} ({entry.name}, {entry.created[:10]}) was deregistered" in gone.seen


def test_a_build_instance_of_another_architecture_fails(world: Any, tmp_path: Path) -> None:
    (found,) = diagnosed(
        Clients(REGION), tmp_path, image={"base_id": "ami-1", "architecture": "arm64"}
    )["build instance"]

    assert found.state == "fail"
    assert "image.build_instance_type: m6i.large is x86_64, the image arm64" in found.seen


def test_the_deploy_role_needs_the_boundary_in_the_file(
    account: Account,  # noqa: F811 - a fixture
    tmp_path: Path,
) -> None:
    with enforced():
        (boundary,) = diagnosed(account.as_role("deploy"), tmp_path)["boundary"]

    assert boundary.state == "fail"
    assert "nodes.permissions_boundary is missing" in boundary.seen


def test_another_account_ends_it(world: Any, tmp_path: Path) -> None:
    found = diagnosed(Clients(REGION), tmp_path, account_id="999999999999")

    (credentials,) = found["credentials"]
    assert credentials.state == "fail"
    assert "roles" not in found


def test_a_look_that_fails_is_no_pass_and_stops_no_other() -> None:
    def refused() -> Iterator[Diagnosis]:
        raise Unanswered("AWS answered AccessDenied", hint="check the permissions")

    def fine() -> Iterator[Diagnosis]:
        yield Diagnosis("two", "pass", "fine")

    found = list(examine([("one", refused), ("two", fine)]))

    assert [(one.name, one.state) for one in found] == [("one", "fail"), ("two", "pass")]


def test_quotas_that_cannot_be_read_are_a_warning(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> float:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "GetServiceQuota")

    monkeypatch.setattr("deploy.plan.quotas.quota_limit", denied)

    (quotas,) = diagnosed(Clients(REGION), tmp_path)["quotas"]

    assert quotas.state == "warning"
    assert "could not be read (AccessDenied)" in quotas.seen


@pytest.mark.parametrize(
    ("said", "states"),
    [
        (None, ["fail"]),
        ("Packer v1.4.0\n", ["fail"]),
        ("Packer v1.6.6\n", ["pass"]),
        ("Packer v1.11.2\n", ["pass", "fail"]),
    ],
)
def test_packer_is_judged_by_its_version(
    monkeypatch: pytest.MonkeyPatch, said: str | None, states: list[str]
) -> None:
    answers = {"version": said, "plugins": ""}
    monkeypatch.setattr(doctor_machine, "_output", lambda *command: answers[command[1]])

    assert [one.state for one in doctor_machine.packer()] == states


def test_the_versions_that_packer_itself_takes_are_the_template_s() -> None:
    packer = REPOSITORY / "packer"
    words = (packer / "locals.pkr.hcl").read_text() + (
        packer / "current/plugins.pkr.hcl"
    ).read_text()
    oldest, (first, below) = doctor_machine.OLDEST_PACKER, doctor_machine.PLUGIN_VERSIONS

    assert f'required_version = ">= {dotted(oldest)}"' in words
    assert f'version = ">= {dotted(first)}, < {dotted(below)}"' in words


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


@pytest.mark.parametrize(
    ("version", "state"),
    [("1.0.9", "fail"), ("1.3.0", "fail"), ("1.3.1", "pass"), ("1.9.9", "pass"), ("2.0.0", "fail")],
)
def test_packer_s_plugin_is_judged_by_its_version(version: str, state: str) -> None:
    place = "/root/.config/packer/plugins/github.com/hashicorp/amazon/packer-plugin-amazon"

    found = doctor_machine._plugin(f"{place}_v{version}_x5.0_linux_amd64\n")

    assert found.state == state


def test_an_endpoint_that_does_not_answer_fails() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

    assert doctor_machine.endpoint("ec2", "127.0.0.1", port).state == "fail"


def test_a_full_disk_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Usage:
        free = 2**29

    monkeypatch.setattr("shutil.disk_usage", lambda place: Usage)

    (found,) = doctor_machine.disk(tmp_path / "not" / "there")

    assert (found.state, found.seen) == ("fail", f"0.5 GiB free in {tmp_path}")
