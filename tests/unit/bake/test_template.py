"""The template is valid for the installed Packer, and rejects open build instances."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bake.files import TEMPLATE
from bake.packer import CURRENT, OLD, Packer, prepare_template
from common.checkout import REPOSITORY
from common.clients import Clients
from tests.unit.bake.test_build import a_build_spec


@pytest.fixture
def variables(clients: Clients, tmp_path: Path) -> dict[str, Any]:
    """The variables that a bake passes to Packer 1.6.6, with a key as EC2 makes it."""
    spec = a_build_spec(tmp_path)
    (spec.wheels.ray / "wheels").mkdir(parents=True)
    (spec.wheels.ray / "requirements.txt").touch()
    spec.empty.mkdir()
    spec.additions.write(spec.added)
    key = clients("ec2").create_key_pair(KeyName="a-key", KeyType="ed25519")
    (tmp_path / "key").write_text(key["KeyMaterial"])
    access = {
        "key_pair_name": "a-key",
        "private_key_file": str(tmp_path / "key"),
        "security_group_id": "sg-1",
    }
    return spec.variables() | access


def errors_of(tmp_path: Path, variables: dict[str, Any]) -> str:
    var_file = tmp_path / "variables.json"
    var_file.write_text(json.dumps(variables))
    template = prepare_template(tmp_path / "template", REPOSITORY)
    return Packer(template.folder, var_file=var_file).validate()


def test_packer_accepts_the_variables_of_a_bake(tmp_path: Path, variables: dict[str, Any]) -> None:
    assert errors_of(tmp_path, variables) == ""


def test_packer_accepts_a_key_of_a_persons_own(tmp_path: Path, variables: dict[str, Any]) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

    assert errors_of(tmp_path, variables | {"kms_key": key}) == ""


@pytest.mark.parametrize(
    "missing", ["source_ami", "bake_id", "wheels", "digest", "additions", "security_group_id"]
)
def test_a_variable_without_default_must_be_given(
    tmp_path: Path, variables: dict[str, Any], missing: str
) -> None:
    del variables[missing]

    assert missing in errors_of(tmp_path, variables)


@pytest.mark.parametrize("cidrs", [[], ["0.0.0.0/0"]])
def test_build_instances_are_never_open_to_the_internet(
    tmp_path: Path, variables: dict[str, Any], cidrs: list[str]
) -> None:
    assert "whole Internet" in errors_of(tmp_path, variables | {"source_cidrs": cidrs})


@pytest.mark.parametrize("folder", [TEMPLATE, TEMPLATE / CURRENT, TEMPLATE / OLD])
def test_the_template_is_formatted(folder: Path) -> None:
    completed = subprocess.run(
        ["packer", "fmt", "-check", "-diff", str(REPOSITORY / folder)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (completed.returncode, completed.stdout) == (0, "")


def test_a_current_packer_gets_the_current_template_and_1_6_6_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inits: list[str] = []
    monkeypatch.setattr(Packer, "init", lambda self: inits.append(self.packerfile))
    shared = {"build.pkr.hcl", "locals.pkr.hcl", "variables.pkr.hcl", "sources.pkr.hcl"}

    monkeypatch.setattr(Packer, "version", lambda self: (1, 6, 6))
    old = prepare_template(tmp_path / "old", REPOSITORY)
    monkeypatch.setattr(Packer, "version", lambda self: (1, 7, 0))
    new = prepare_template(tmp_path / "new", REPOSITORY)

    assert (old.current, new.current) == (False, True)
    assert {path.name for path in old.folder.iterdir()} == shared
    assert {path.name for path in new.folder.iterdir()} == {*shared, "plugins.pkr.hcl"}
    assert "metadata_options {" not in (old.folder / "sources.pkr.hcl").read_text()
    assert "metadata_options {" in (new.folder / "sources.pkr.hcl").read_text()
    assert inits == [str(tmp_path / "new")]
