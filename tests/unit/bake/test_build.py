"""The variables that Packer gets, and how its output is handled."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sh

from bake import build
from bake.additions import Additions
from bake.base_image import BaseImage
from bake.build import OutputHandler, ami_id_in, build_image
from bake.build_instance import BuildInstance
from bake.cancellation import Cancellation, Cancelled
from bake.image_wheels import ImageWheels
from bake.owner import this_process
from bake.packer import Template
from bake.spec import BuildSpec
from bake.subnet import Subnet, resolve_subnet
from bake.wanted import WantedImage
from common.checkout import REPOSITORY
from common.clients import Clients
from common.errors import PipelineError
from tests.unit.deploy.builders import an_environment
from tests.unit.localcloud.fakes import FakeClock

WORKER, GPU = WantedImage("worker"), WantedImage("worker", "gpu")
DECLARED = re.compile(r'^variable "(\w+)"', re.MULTILINE)


def a_build_spec(folder: Path, image: WantedImage = WORKER) -> BuildSpec:
    return BuildSpec(
        image=image,
        environment=an_environment(images={"gpu": {"python": "3.12"}}),
        additions=Additions({"provisioners/10-one.sh": b"#!", "provisioners/files/10-data": b""}),
        template=Template(folder / "template", current=False),
        base=BaseImage("ami-0123456789abcdef0", "debian-12", "/dev/xvda"),
        subnet=Subnet("subnet-1", "vpc-1"),
        source=REPOSITORY,
        digest="a" * 64,
        wheels=ImageWheels(folder / "wheelhouse", folder / "added" if image.name else None),
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
    return OutputHandler(BuildInstance(clients, FakeClock()), io.StringIO(), reported.append)


def test_every_variable_of_the_template_gets_a_value_and_no_other(tmp_path: Path) -> None:
    declared = DECLARED.findall((REPOSITORY / "packer/variables.pkr.hcl").read_text())

    assert set(a_build_spec(tmp_path).variables()) == set(declared)


def test_what_a_person_adds_is_among_the_variables(tmp_path: Path) -> None:
    plain, gpu = (a_build_spec(tmp_path, image).variables() for image in (WORKER, GPU))

    assert (plain["slug"], plain["image"], plain["python"]) == ("worker", "", "3.11")
    assert (gpu["slug"], gpu["image"], gpu["python"]) == ("worker-gpu", "gpu", "3.12")
    assert plain["added_wheels"] == str(tmp_path / "empty")
    assert gpu["added_wheels"] == str(tmp_path / "added" / "wheels")
    assert gpu["scripts"] == ["10-one.sh"]


def test_an_image_is_deprecated_a_year_after_its_bake(tmp_path: Path) -> None:
    assert a_build_spec(tmp_path).variables()["deprecate_at"] == "2027-11-22T12:00:00Z"


def test_where_packer_sets_up_its_build_instance_nothing_is_called(reported: list[str]) -> None:
    output = OutputHandler(None, io.StringIO(), reported.append)

    output("==> ray.amazon-ebs.image: Instance ID: i-0123456789abcdef0")

    assert output.errors == []
    assert reported == ["Instance ID: i-0123456789abcdef0"]


def test_progress_shows_the_steps(output: OutputHandler, reported: list[str]) -> None:
    output("==> ray.amazon-ebs.image: Waiting for SSH...")
    output("    ray.amazon-ebs.image: some output")
    output("==> ray.amazon-ebs.image: Provisioning with shell script: /a b/30-ray.sh")
    output("==> ray.amazon-ebs.image: Uploading /tmp/wheels/ => /home/admin/wheels")

    assert reported == [
        "Waiting for SSH",
        "Provisioning with shell script: 30-ray.sh",
        "Uploading  => wheels",
    ]


def test_a_call_that_aws_rejects_is_kept_as_an_error_while_packer_continues(
    output: OutputHandler,
) -> None:
    output("    ray.amazon-ebs.image: Instance ID: i-0123456789abcdef0")

    assert "IMDSv2" in output.errors[0].message


def test_a_script_that_fails_is_named_with_its_last_words(output: OutputHandler) -> None:
    output("==> ray.amazon-ebs.image: Provisioning with shell script: /a/b/84-report.sh")
    output("    ray.amazon-ebs.image: words of another script")
    output("==> ray.amazon-ebs.image: Provisioning with shell script: /a/b/90-clean.sh")
    for number in range(4):
        output(f"    ray.amazon-ebs.image: line {number}")
    output("==> ray.amazon-ebs.image: E: Could not get lock /var/cache/apt/archives/lock")
    output("==> ray.amazon-ebs.image: E: Unable to lock directory /var/cache/apt/archives/")
    output(
        "==> ray.amazon-ebs.image: Provisioning step had errors: Running the cleanup provisioner"
    )
    output("==> ray.amazon-ebs.image: Terminating the source AWS instance...")
    output("Build 'ray.amazon-ebs.image' errored: Script exited with non-zero exit status: 100")

    assert output.failures == [
        "90-clean.sh failed"
        "\n    line 1"
        "\n    line 2"
        "\n    line 3"
        "\n    E: Could not get lock /var/cache/apt/archives/lock"
        "\n    E: Unable to lock directory /var/cache/apt/archives/",
        "Build 'ray.amazon-ebs.image' errored: Script exited with non-zero exit status: 100",
    ]


def test_a_script_that_says_nothing_is_named_all_the_same(output: OutputHandler) -> None:
    output("==> ray.amazon-ebs.image: Provisioning with shell script: /a/b/90-clean.sh")
    output("==> ray.amazon-ebs.image: Provisioning step had errors: Running the cleanup")

    assert output.failures == ["90-clean.sh failed"]


def test_the_manifest_gives_the_ami_id_of_the_last_run(tmp_path: Path) -> None:
    builds = [
        {"packer_run_uuid": run, "artifact_id": f"us-east-1:{ami_id}"}
        for run, ami_id in (("1", "ami-1"), ("2", "ami-2"))
    ]
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"builds": builds, "last_run_uuid": "2"}))

    assert ami_id_in(manifest) == "ami-2"


class FakePacker:
    """Prints lines, then ends as a test says; keeps what it was given."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.failure: Exception | None = None
        self.given: tuple[Path, dict[str, Any]] | None = None

    def __call__(self, template: Path, **options: Any) -> "FakePacker":
        self.given = (template, options)
        return self

    def build(self, cancellation: Cancellation) -> None:
        assert self.given
        for line in self.lines:
            self.given[1]["on_line"](line)
        if self.failure:
            raise self.failure


@pytest.fixture
def packer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakePacker:
    (tmp_path / "manifest.json").write_text(
        json.dumps(
            {
                "builds": [{"packer_run_uuid": "1", "artifact_id": "us-east-1:ami-1"}],
                "last_run_uuid": "1",
            }
        )
    )
    made = FakePacker()
    monkeypatch.setattr(build, "Packer", made)
    return made


def built(
    clients: Clients,
    spec: BuildSpec,
    cancellation: Cancellation | None = None,
    clock: FakeClock | None = None,
) -> str:
    object.__setattr__(spec, "subnet", resolve_subnet(clients, spec.settings))
    cancellation = cancellation or Cancellation()
    return build_image(clients, spec, clock or FakeClock(), lambda words: None, cancellation)


def test_packer_gets_its_variables_in_a_file_and_its_output_is_kept(
    clients: Clients, tmp_path: Path, packer: FakePacker
) -> None:
    packer.lines = ["one", "two"]
    spec, clock = a_build_spec(tmp_path), FakeClock()

    assert built(clients, spec, clock=clock) == "ami-1"

    assert packer.given
    template, options = packer.given
    output = options.pop("on_line")
    assert template == tmp_path / "template"
    assert options == {
        "var_file": tmp_path / "variables.json",
        "environ": {"PACKER_CACHE_DIR": f"{tmp_path}/packer-cache", "AWS_MAX_TIMEOUT": "2400"},
    }
    written = json.loads((tmp_path / "variables.json").read_text())
    assert written["security_group_id"].startswith("sg-")
    assert {name: written[name] for name in spec.variables()} == spec.variables()
    log = (tmp_path / "packer.log").read_text()
    assert re.fullmatch(r" +\d+\.\d one\n +\d+\.\d two\n", log)
    assert output.instance == BuildInstance(clients, clock)


def test_a_current_packer_sets_up_its_build_instance_itself(
    clients: Clients, tmp_path: Path, packer: FakePacker
) -> None:
    built(clients, replace(a_build_spec(tmp_path), template=Template(tmp_path, current=True)))

    assert packer.given
    assert packer.given[1]["on_line"].instance is None
    written = json.loads((tmp_path / "variables.json").read_text())
    assert not {"key_pair_name", "private_key_file", "security_group_id"} & set(written)


def test_a_build_that_fails_is_quoted_with_the_end_of_its_output(
    clients: Clients, tmp_path: Path, packer: FakePacker
) -> None:
    packer.lines = ["one", "two", "two", "three"]
    packer.failure = sh.ErrorReturnCode_1("packer", b"", b"")

    with pytest.raises(PipelineError) as failed:
        built(clients, a_build_spec(tmp_path))

    assert failed.value.message == "two\n  three"
    assert failed.value.hint == f"full output: {tmp_path}/packer.log"


def test_a_build_instance_that_does_not_boot_says_what_to_look_at(
    clients: Clients, tmp_path: Path, packer: FakePacker
) -> None:
    line = "Build 'ray.amazon-ebs.image' errored: Timeout waiting for SSH."
    packer.lines = [f"==> {line}", line]
    packer.failure = sh.ErrorReturnCode_1("packer", b"", b"")

    with pytest.raises(PipelineError) as failed:
        built(clients, a_build_spec(tmp_path, GPU))

    assert failed.value.message == (f"a build instance did not boot: no SSH within 600 s\n  {line}")
    assert failed.value.hint == (
        "check the base image ami-0123456789abcdef0, images.gpu.ssh_username, "
        "network.operator_cidrs and images.gpu.build_subnet_id; "
        f"full output: {tmp_path}/packer.log"
    )


def test_a_build_that_ends_as_it_was_cancelled_is_no_failure_of_packers(
    clients: Clients, tmp_path: Path, packer: FakePacker
) -> None:
    packer.failure = sh.ErrorReturnCode_1("packer", b"", b"")
    cancellation = Cancellation()
    cancellation.request()

    with pytest.raises(Cancelled):
        built(clients, a_build_spec(tmp_path), cancellation)


def test_nothing_is_left_of_a_build_whose_packer_was_killed(
    clients: Clients, clock: FakeClock, tmp_path: Path, packer: FakePacker
) -> None:
    ec2 = clients("ec2")
    (made,) = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)["Instances"]
    packer.lines = [f"    ray.amazon-ebs.image: Instance ID: {made['InstanceId']}"]
    packer.failure = sh.SignalException_SIGKILL("packer", b"", b"")

    with pytest.raises(PipelineError, match="Instance ID"):
        built(clients, a_build_spec(tmp_path), clock=clock)

    (seen,) = ec2.describe_instances()["Reservations"][0]["Instances"]
    groups = [group["GroupName"] for group in ec2.describe_security_groups()["SecurityGroups"]]
    assert seen["State"]["Name"] == "terminated"
    assert (ec2.describe_key_pairs()["KeyPairs"], groups) == ([], ["default"])


def test_an_image_whose_build_instance_was_not_set_up_is_a_failure(
    clients: Clients, tmp_path: Path, packer: FakePacker
) -> None:
    packer.lines = ["    ray.amazon-ebs.image: Instance ID: i-0123456789abcdef0"]

    with pytest.raises(PipelineError, match="requiring IMDSv2 of the build instance i-0123"):
        built(clients, a_build_spec(tmp_path))
