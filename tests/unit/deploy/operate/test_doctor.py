"""What `invoke doctor` finds, and that it changes nothing and takes no failed look for a pass."""

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from bake.source_lock import newest_lock
from common.checkout import REPOSITORY
from common.clients import Clients
from common.errors import Unanswered
from deploy.operate import doctor, doctor_machine
from deploy.operate.diagnosis import Diagnosis, examine
from deploy.plan.finding import Finding
from deploy.plan.road_preflight import road_findings
from drills.kit.deployer import shifted_clock
from localcloud.account import ec2_backend
from localcloud.patches.iam import enforced
from localcloud.patches.iam.record import decisions
from tests.unit.deploy.account.conftest import (  # noqa: F401 - a fixture
    Account,
    account,
    with_old_packer,
)
from tests.unit.deploy.builders import REGION, an_environment
from tests.unit.deploy.conftest import bake
from tests.unit.deploy.plan.test_vpc_preflight import Vpc
from tests.unit.deploy.reach.plugins import install_plugin
from tests.unit.localcloud.fakes import FakeClock

READS = ("Describe", "Get", "List", "Head")


@pytest.fixture(autouse=True)
def _aws_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket leaves the test."""

    def reached(service: str, client: Any) -> Diagnosis:
        return Diagnosis("endpoint", "pass", service)

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
    clock: FakeClock,
    tmp_path: Path,
) -> None:
    nodes = {"permissions_boundary": account.environment.nodes.permissions_boundary}
    clients = with_old_packer(account, clock).as_role("deploy")

    with enforced(), decisions() as decided:
        found = diagnosed(
            clients,
            tmp_path,
            nodes=nodes,
            network={"operator_cidrs": ["10.77.0.1/32"]},
            account={"old_packer": True},
        )

    states = {one.name: (one.state, one.seen) for every in found.values() for one in every}
    looks = (
        *("credentials", "roles", "boundary", "base image"),
        *("build subnet", "build instance", "Packer", "deploy"),
    )
    assert {name: states[name] for name in looks if states[name][0] != "pass"} == {}
    mine = {one.check.action for one in decided if "raykiln-dev-deploy" in one.principal}
    assert {a for a in mine if not a.partition(":")[2].startswith(READS)} == set()


def diagnosed_as(
    account: Account,  # noqa: F811 - a fixture's name
    kind: str,
    tmp_path: Path,
) -> dict[str, list[Diagnosis]]:
    """Return what doctor finds with the credentials of a role."""
    nodes = {"permissions_boundary": account.environment.nodes.permissions_boundary}
    network = {"operator_cidrs": ["10.77.0.1/32"]}
    with enforced():
        return diagnosed(account.as_role(kind), tmp_path, nodes=nodes, network=network)


OF_BAKE = {"base image", "build subnet", "build instance"}
OF_DEPLOY = {"instance types", "deploy"}


@pytest.mark.parametrize(
    ("kind", "skipped"),
    [
        ("bake", OF_DEPLOY),
        ("deploy", set()),
        ("scientist", {"roles", "service-linked roles", "quotas"} | OF_BAKE | OF_DEPLOY),
    ],
)
def test_what_a_role_may_not_look_at_is_skipped_and_says_nothing_of_the_account(
    account: Account,  # noqa: F811 - a fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    skipped: set[str],
) -> None:
    install_plugin(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    found = diagnosed_as(account, kind, tmp_path)

    every = [one for several in found.values() for one in several]
    assert {one.name for one in every if one.state == "skipped"} == skipped
    assert {one.name for one in every if one.state == "fail"} <= {"Packer"}
    assert {one.hint for one in every if one.state == "skipped" and one.name not in OF_BAKE} <= {
        "the role raykiln-dev-deploy may; whoever does without that role needs this permission"
    }


@pytest.mark.parametrize(("kind", "look"), [("bake", "base image"), ("deploy", "deploy")])
def test_what_a_role_needs_for_its_own_work_fails_where_it_is_denied(
    account: Account,  # noqa: F811 - a fixture
    tmp_path: Path,
    kind: str,
    look: str,
) -> None:
    denied = {"Effect": "Deny", "Action": ["ec2:DescribeImages"], "Resource": "*"}
    account.administrator("iam").put_role_policy(
        RoleName=f"raykiln-dev-{kind}",
        PolicyName="denied",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [denied]}),
    )

    (found,) = diagnosed_as(account, kind, tmp_path)[look]

    assert found.state == "fail"
    assert "ec2:DescribeImages" in found.seen


def test_a_machine_that_does_not_bake_needs_no_tools_of_a_bake(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    clients, environment = Clients(REGION), an_environment()

    found = doctor.diagnose(clients, environment, cache=tmp_path, bakes_here=False)
    names = {one.name for one in found}

    assert not names & {"Packer", "ssh"}
    assert names >= OF_BAKE


def test_an_environment_whose_images_are_promoted_needs_nothing_of_a_bake(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    bakes = diagnosed(Clients(REGION), tmp_path)
    promoted = diagnosed(Clients(REGION), tmp_path, promotion={"source": "staging"})

    assert {one.name for several in bakes.values() for one in several if one.state == "fail"} == {
        *("Packer", "ssh"),
    }
    assert bakes.keys() - promoted.keys() == {"Packer", "ssh"} | OF_BAKE
    assert "fail" not in {one.state for several in promoted.values() for one in several}


def states_of(found: list[Diagnosis]) -> list[tuple[str, str, str]]:
    return [(one.state, one.seen, one.hint) for one in found]


UNBAKED = ("warning", "no verified head image for x86_64", "invoke bake")


def test_before_the_first_bake_all_is_looked_at_that_needs_no_image(
    world: Any, tmp_path: Path
) -> None:
    vpc = Vpc().make()
    vpc.route_out()
    vpc.attribute("EnableDnsHostnames", False)
    key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    network = {
        "vpc_id": vpc.id,
        "private_subnet_ids": vpc.subnets,
        "operator_cidrs": ["10.0.0.0/8"],
    }

    found = diagnosed(
        Clients(REGION),
        tmp_path,
        network=network,
        nodes={"kms_key": key, "s3_read": ["not-there/*"]},
    )

    assert states_of(found["images"]) == [UNBAKED]
    assert states_of(found["deploy"]) == [
        (
            "fail",
            f"network.vpc_id: enableDnsHostnames of {vpc.id} is off, so no private name resolves",
            f"aws ec2 modify-vpc-attribute --vpc-id {vpc.id} --enable-dns-hostnames",
        ),
        (
            "fail",
            "nodes.s3_read: there is no bucket not-there",
            "create it, or correct its name",
        ),
        (
            "fail",
            f"nodes.kms_key: {key} is not a key of us-east-1",
            "name a key of the cluster's region",
        ),
    ]


def test_a_vpc_that_is_not_there_fails_and_hides_nothing(world: Any, tmp_path: Path) -> None:
    network = {
        "vpc_id": "vpc-0a1b2c3d",
        "private_subnet_ids": ["subnet-0a1b2c3d", "subnet-1a1b2c3d"],
        "operator_cidrs": ["10.0.0.0/8"],
    }

    found = diagnosed(Clients(REGION), tmp_path, network=network)

    assert states_of(found["images"]) == [UNBAKED]
    assert [one.state for one in found["deploy"]] == ["fail"]
    assert "vpc-0a1b2c3d" in found["deploy"][0].seen


def test_images_that_are_baked_pass_and_one_that_is_named_in_vain_fails(
    world: Any, tmp_path: Path
) -> None:
    clients = Clients(REGION)
    for role in ("head", "worker"):
        bake(clients, role)

    (baked,) = diagnosed(clients, tmp_path)["images"]
    image = {"base_id": "ami-1", "head_id": "ami-0a1b2c3d"}
    (named,) = diagnosed(clients, tmp_path, image=image)["images"]

    assert (baked.state, baked.seen[:17]) == ("pass", "those of release ")
    assert (named.state, named.seen) == (
        "fail",
        "image.head_id: ami-0a1b2c3d is not a verified head image for x86_64, baked by this "
        "version of Raykiln",
    )


INSTALL = (
    "install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html"
)


def test_without_the_plugin_doctor_says_of_a_new_vpc_what_plan_does(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    without = diagnosed(Clients(REGION), tmp_path)
    plan = road_findings(an_environment(), None)
    install_plugin(tmp_path)
    installed = diagnosed(Clients(REGION), tmp_path)

    missing = "this machine has no line into the VPC, and `session-manager-plugin` is not installed"
    assert plan == (Finding(missing, INSTALL, fatal=True),)
    assert states_of(without["road"]) == [("fail", missing, INSTALL)]
    assert states_of(without["session-manager-plugin"]) == [
        (
            "warning",
            "head.shell, and from outside of the VPC deploy, verify, job and connect, need it, "
            "and `session-manager-plugin` is not installed",
            INSTALL,
        )
    ]
    assert states_of(installed["road"]) == [("pass", "the cluster is in reach", "")]
    assert [one.state for one in installed["session-manager-plugin"]] == ["pass"]


def diagnosed_with_a_clock(
    off: float,
    account: Account,  # noqa: F811 - a fixture's name
    tmp_path: Path,
) -> dict[str, list[Diagnosis]]:
    """Return what doctor finds on a machine whose clock is ``off`` seconds ahead."""
    clients = account.as_role("deploy")
    with shifted_clock(off), enforced():
        return diagnosed(clients, tmp_path)


@pytest.mark.parametrize(
    ("off", "state"),
    [
        *((-1200, "fail"), (1200, "fail"), (-600, "fail"), (600, "fail")),
        *((-60, "warning"), (60, "warning"), (0, "pass")),
    ],
)
def test_a_clock_is_compared_with_aws_s_both_ways(
    account: Account,  # noqa: F811 - a fixture
    tmp_path: Path,
    off: float,
    state: str,
) -> None:
    (clock,) = diagnosed_with_a_clock(off, account, tmp_path)["clock"]

    assert clock.state == state
    if off:
        assert float(clock.seen.removesuffix(" s off AWS's")) == pytest.approx(abs(off), abs=2)
        assert clock.hint == "set it by NTP: AWS refuses requests that are five minutes off"


@pytest.mark.parametrize(("off", "credentials"), [(600, "pass"), (1200, "fail"), (-1200, "fail")])
def test_a_clock_that_aws_refuses_is_what_doctor_names_and_no_look_is_made_with_it(
    account: Account,  # noqa: F811 - a fixture
    tmp_path: Path,
    off: float,
    credentials: str,
) -> None:
    found = diagnosed_with_a_clock(off, account, tmp_path)

    assert [one.state for one in found["credentials"]] == [credentials]
    if credentials == "fail":
        assert found["credentials"][0].hint.startswith("correct this machine's clock")
    assert "roles" not in found


CALL = re.compile(r"""\b\w+\("([a-z0-9-]+)"\)""")
# Called by other commands than bake and deploy: invoke prices.
OTHERS = {"pricing"}


def test_the_endpoints_are_those_of_all_services_that_bake_and_deploy_call() -> None:
    mounted = an_environment(nodes={"efs": [{"id": "fs-0a1b2c3d", "mount": "/mnt/x"}]})
    places = [REPOSITORY / name for name in ("common", "bake", "deploy")]
    files = [file for place in places for file in place.rglob("*.py")]
    texts = [file.read_text() for file in files if "documents" not in file.parts]
    known = set(boto3.session.Session().get_available_services())
    called = known.intersection(name for text in texts for name in CALL.findall(text))

    assert set(doctor.called_services(mounted)) == called - OTHERS
    assert set(doctor.called_services(an_environment())) == called - OTHERS - {"efs"}


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
    ("said", "old_packer", "states"),
    [
        (None, True, ["fail"]),
        ("Packer v1.4.0\n", True, ["fail"]),
        ("Packer v1.6.6\n", True, ["pass"]),
        ("Packer v1.6.6\n", False, ["fail"]),
        ("Packer v1.11.2\n", False, ["pass", "fail"]),
    ],
)
def test_packer_is_judged_by_its_version(
    monkeypatch: pytest.MonkeyPatch, said: str | None, old_packer: bool, states: list[str]
) -> None:
    environment = an_environment(account={"old_packer": old_packer})
    answers = {"version": said, "plugins": ""}
    monkeypatch.setattr(doctor_machine, "_output", lambda *command: answers[command[1]])

    assert [one.state for one in doctor_machine.packer(environment)] == states


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


def test_a_full_disk_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Usage:
        free = 2**29

    monkeypatch.setattr("shutil.disk_usage", lambda place: Usage)

    (found,) = doctor_machine.disk(tmp_path / "not" / "there")

    assert (found.state, found.seen) == ("fail", f"0.5 GiB free in {tmp_path}")


@pytest.mark.parametrize("below", ["", "cache"])
def test_a_cache_that_cannot_be_written_fails(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")

    (found,) = doctor_machine.disk(tmp_path / "file" / below)

    assert found.state == "fail"
    assert "Not a directory" in found.seen
    assert found.hint == "set RAYKILN_CACHE to a folder that can be written"


def test_the_look_for_room_leaves_nothing(tmp_path: Path) -> None:
    (found,) = doctor_machine.disk(tmp_path / "cache")

    assert found.state in ("pass", "warning")
    assert list(tmp_path.iterdir()) == []
