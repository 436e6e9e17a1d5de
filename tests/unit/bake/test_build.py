"""What Packer is told, and what is made of what it says."""

import io
import json
import re
from pathlib import Path

import pytest

from bake.base_image import BaseImage
from bake.build import Listener, Recipe, built_images
from bake.build_machines import BuildMachine
from bake.files import ROLES
from bake.owner import this_process
from bake.subnet import Subnet
from common.checkout import REPOSITORY
from common.clients import Clients
from tests.unit.deploy.builders import an_environment

DECLARED = re.compile(r'^variable "(\w+)"', re.MULTILINE)


def a_recipe(folder: Path) -> Recipe:
    return Recipe(
        environment=an_environment(),
        base=BaseImage("ami-0123456789abcdef0", "debian-12", "/dev/xvda"),
        subnet=Subnet("subnet-1", "vpc-1"),
        source=REPOSITORY,
        digests={"head": "a" * 64, "worker": "b" * 64},
        wheelhouse=folder / "wheelhouse",
        ray_version="2.60.0",
        git="abc",
        built="2026-11-22T12:00:00Z",
        owner=this_process(),
        folder=folder,
    )


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def listener(clients: Clients, told: list[str]) -> Listener:
    machines = {role: BuildMachine(clients, this_process()) for role in ROLES}
    return Listener(machines, io.StringIO(), told.append)


def test_every_variable_of_the_template_is_given_and_no_other(tmp_path: Path) -> None:
    declared = DECLARED.findall((REPOSITORY / "packer/variables.pkr.hcl").read_text())

    assert set(a_recipe(tmp_path).variables()) == set(declared)


def test_progress_says_where_each_role_is(listener: Listener, told: list[str]) -> None:
    listener("==> ray.amazon-ebs.head: Waiting for SSH...")
    listener("    ray.amazon-ebs.head: some output")
    listener("==> ray.amazon-ebs.worker: Provisioning with shell script: /a/b/30-ray.sh")

    assert told == [
        "head: Waiting for SSH",
        "head: Waiting for SSH · worker: Provisioning with shell script: 30-ray.sh",
    ]


def test_what_aws_refuses_is_a_fault_and_packer_goes_on(listener: Listener) -> None:
    listener("    ray.amazon-ebs.head: Instance ID: i-0123456789abcdef0")

    assert "IMDSv2" in listener.faults[0].message


def test_the_lines_that_tell_why_are_kept(listener: Listener) -> None:
    listener("==> ray.amazon-ebs.head: FAILED 30-ray.sh line 14: false")
    listener("==> ray.amazon-ebs.head: nothing of interest")
    listener("Build 'ray.amazon-ebs.head' errored: Script exited with status 1")

    assert listener.failures == [
        "ray.amazon-ebs.head: FAILED 30-ray.sh line 14: false",
        "Build 'ray.amazon-ebs.head' errored: Script exited with status 1",
    ]


def test_the_manifest_gives_the_images_of_the_last_run_by_role(tmp_path: Path) -> None:
    def entry(run: str, role: str, ami_id: str) -> dict[str, object]:
        artifact = f"us-east-1:{ami_id}"
        return {"packer_run_uuid": run, "artifact_id": artifact, "custom_data": {"role": role}}

    builds = [
        entry("1", "head", "ami-1"),
        entry("2", "head", "ami-2"),
        entry("2", "worker", "ami-3"),
    ]
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"builds": builds, "last_run_uuid": "2"}))

    assert built_images(manifest) == {"head": "ami-2", "worker": "ami-3"}
