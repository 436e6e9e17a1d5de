"""The template, as the installed Packer reads it, and what it must never allow."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bake.files import TEMPLATE
from bake.packer import NEEDS_PLUGINS, PLUGINS, Packer, lay_template
from common.checkout import REPOSITORY
from tests.unit.bake.test_build import a_recipe


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, Any]:
    """What bake would pass."""
    recipe = a_recipe(tmp_path)
    (recipe.wheelhouse / "wheels").mkdir(parents=True)
    (recipe.wheelhouse / "requirements.txt").touch()
    return recipe.variables()


def complaints(tmp_path: Path, variables: dict[str, Any]) -> str:
    var_file = tmp_path / "variables.json"
    var_file.write_text(json.dumps(variables))
    return Packer(lay_template(tmp_path / "template", REPOSITORY), var_file=var_file).validate()


def test_packer_accepts_what_bake_passes(tmp_path: Path, variables: dict[str, Any]) -> None:
    assert complaints(tmp_path, variables) == ""


@pytest.mark.parametrize("missing", ["source_ami", "bake_id", "wheels", "head_digest"])
def test_a_variable_without_default_must_be_given(
    tmp_path: Path, variables: dict[str, Any], missing: str
) -> None:
    del variables[missing]

    assert missing in complaints(tmp_path, variables)


@pytest.mark.parametrize("cidrs", [[], ["0.0.0.0/0"]])
def test_build_machines_are_never_open_to_everyone(
    tmp_path: Path, variables: dict[str, Any], cidrs: list[str]
) -> None:
    assert "whole Internet" in complaints(tmp_path, variables | {"source_cidrs": cidrs})


@pytest.mark.parametrize("folder", [TEMPLATE, TEMPLATE / PLUGINS.parent])
def test_the_template_is_formatted(folder: Path) -> None:
    ended = subprocess.run(
        ["packer", "fmt", "-check", "-diff", str(REPOSITORY / folder)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (0, "")


def test_the_plugins_block_is_laid_out_only_for_a_packer_that_knows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Packer, "init", lambda self: None)
    monkeypatch.setattr(Packer, "version", lambda self: (1, 6, 6))
    assert not (lay_template(tmp_path / "old", REPOSITORY) / PLUGINS.name).exists()
    monkeypatch.setattr(Packer, "version", lambda self: NEEDS_PLUGINS)
    assert (lay_template(tmp_path / "new", REPOSITORY) / PLUGINS.name).exists()
