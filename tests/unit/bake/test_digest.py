"""The digest changes with everything that shapes an image, and with nothing else."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bake.additions import Additions
from bake.digest import DigestInputs, image_digest
from bake.files import FOLDERS, copy_shaping_files, shaping_files
from bake.wanted import WantedImage
from common.checkout import REPOSITORY
from tests.unit.deploy.builders import an_environment

HEAD, WORKER = WantedImage("head"), WantedImage("worker")
INPUTS = DigestInputs.of(an_environment(), HEAD, "ami-base", Additions())


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for folder in FOLDERS:
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    return tmp_path


def test_a_copy_of_the_checkout_has_the_same_digest(checkout: Path) -> None:
    assert image_digest(HEAD, INPUTS, checkout) == image_digest(HEAD, INPUTS)


def test_a_bake_copies_the_files_that_its_digest_is_computed_from(tmp_path: Path) -> None:
    copy = copy_shaping_files(tmp_path)

    assert list(shaping_files(copy)) == list(shaping_files())
    assert image_digest(HEAD, INPUTS, copy) == image_digest(HEAD, INPUTS)


def test_every_role_and_name_has_a_digest_of_its_own() -> None:
    images = (HEAD, WORKER, WantedImage("worker", "gpu"), WantedImage("worker", "cpu"))

    assert len({image_digest(image, INPUTS) for image in images}) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"source_ami": "ami-newer"},
        {"architecture": "arm64"},
        {"python": "3.12"},
        {"volume_gib": 21},
        {"encrypted": False},
        {"kms_key": "arn:aws:kms:us-east-1:123456789012:key/mrk-1"},
        {"ssm_agent_required": False},
        {"additions": "0" * 64},
    ],
)
def test_every_input_changes_the_digest(changes: dict[str, object]) -> None:
    changed = replace(INPUTS, **changes)  # type: ignore[arg-type] # values of mixed types

    assert image_digest(HEAD, changed) != image_digest(HEAD, INPUTS)


def test_every_shaping_file_changes_the_digest(checkout: Path) -> None:
    before = image_digest(HEAD, INPUTS, checkout)
    seen = {before}
    for path in shaping_files(checkout):
        with (checkout / path).open("a") as file:
            file.write("\n")
        seen.add(image_digest(HEAD, INPUTS, checkout))

    assert len(seen) == len(list(shaping_files(checkout))) + 1


def test_renaming_a_file_changes_the_digest(checkout: Path) -> None:
    before = image_digest(HEAD, INPUTS, checkout)
    (checkout / "systemd/ray-head.service").rename(checkout / "systemd/ray-other.service")

    assert image_digest(HEAD, INPUTS, checkout) != before


def test_compiled_modules_do_not_change_the_digest(checkout: Path) -> None:
    before = image_digest(HEAD, INPUTS, checkout)
    (checkout / "node/__pycache__").mkdir(exist_ok=True)
    (checkout / "node/__pycache__/guard.cpython-311.pyc").write_bytes(b"\0")

    assert image_digest(HEAD, INPUTS, checkout) == before
