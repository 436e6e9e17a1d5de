"""The variables that Packer gets, and how its output is handled."""

import io
import json
import re
from pathlib import Path

import pytest

from bake.base_image import BaseImage
from bake.build import BuildSpec, OutputHandler, ami_ids_in
from bake.build_instance import BuildInstance
from bake.files import ROLES
from bake.owner import this_process
from bake.subnet import Subnet
from common.checkout import REPOSITORY
from common.clients import Clients
from tests.unit.deploy.builders import an_environment

DECLARED = re.compile(r'^variable "(\w+)"', re.MULTILINE)


def a_build_spec(folder: Path) -> BuildSpec:
    return BuildSpec(
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
def reported() -> list[str]:
    return []


@pytest.fixture
def output(clients: Clients, reported: list[str]) -> OutputHandler:
    instances = {role: BuildInstance(clients, this_process()) for role in ROLES}
    return OutputHandler(instances, io.StringIO(), reported.append)


def test_every_variable_of_the_template_gets_a_value_and_no_other(tmp_path: Path) -> None:
    declared = DECLARED.findall((REPOSITORY / "packer/variables.pkr.hcl").read_text())

    assert set(a_build_spec(tmp_path).variables()) == set(declared)


def test_progress_shows_the_step_of_each_role(output: OutputHandler, reported: list[str]) -> None:
    output("==> ray.amazon-ebs.head: Waiting for SSH...")
    output("    ray.amazon-ebs.head: some output")
    output("==> ray.amazon-ebs.worker: Provisioning with shell script: /a/b/30-ray.sh")

    assert reported == [
        "head: Waiting for SSH",
        "head: Waiting for SSH · worker: Provisioning with shell script: 30-ray.sh",
    ]


def test_a_call_that_aws_rejects_is_kept_as_an_error_while_packer_continues(
    output: OutputHandler,
) -> None:
    output("    ray.amazon-ebs.head: Instance ID: i-0123456789abcdef0")

    assert "IMDSv2" in output.errors[0].message


def test_a_script_that_fails_is_named_with_its_last_words(output: OutputHandler) -> None:
    output("==> ray.amazon-ebs.head: Provisioning with shell script: /a/b/70-report.sh")
    output("    ray.amazon-ebs.head: words of another script")
    output("==> ray.amazon-ebs.head: Provisioning with shell script: /a/b/90-clean.sh")
    output("==> ray.amazon-ebs.worker: Provisioning with shell script: /a/b/30-ray.sh")
    for number in range(4):
        output(f"    ray.amazon-ebs.head: line {number}")
    output("    ray.amazon-ebs.worker: words of another machine")
    output("==> ray.amazon-ebs.head: E: Could not get lock /var/cache/apt/archives/lock")
    output("==> ray.amazon-ebs.head: E: Unable to lock directory /var/cache/apt/archives/")
    output("==> ray.amazon-ebs.head: Provisioning step had errors: Running the cleanup provisioner")
    output("==> ray.amazon-ebs.head: Terminating the source AWS instance...")
    output("Build 'ray.amazon-ebs.head' errored: Script exited with non-zero exit status: 100")

    assert output.failures == [
        "head: 90-clean.sh failed"
        "\n    line 1"
        "\n    line 2"
        "\n    line 3"
        "\n    E: Could not get lock /var/cache/apt/archives/lock"
        "\n    E: Unable to lock directory /var/cache/apt/archives/",
        "Build 'ray.amazon-ebs.head' errored: Script exited with non-zero exit status: 100",
    ]


def test_a_script_that_says_nothing_is_named_all_the_same(output: OutputHandler) -> None:
    output("==> ray.amazon-ebs.worker: Provisioning with shell script: /a/b/90-clean.sh")
    output("==> ray.amazon-ebs.worker: Provisioning step had errors: Running the cleanup")

    assert output.failures == ["worker: 90-clean.sh failed"]


def test_the_manifest_gives_the_ami_ids_of_the_last_run_by_role(tmp_path: Path) -> None:
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

    assert ami_ids_in(manifest) == {"head": "ami-2", "worker": "ami-3"}
