"""Same digest, same image: everything that shapes it counts, and nothing else does."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bake.digest import DigestInputs, image_digest
from bake.files import FOLDERS, copy_shaping_files, shaping_files
from common.checkout import REPOSITORY
from tests.unit.deploy.builders import an_environment

INGREDIENTS = DigestInputs.of(an_environment().image, "ami-base")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for folder in FOLDERS:
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    return tmp_path


def test_a_copy_of_the_checkout_gives_the_same_digest(checkout: Path) -> None:
    assert image_digest("head", INGREDIENTS, checkout) == image_digest("head", INGREDIENTS)


def test_what_a_bake_copies_is_what_its_digest_is_of(tmp_path: Path) -> None:
    copy = copy_shaping_files(tmp_path)

    assert list(shaping_files(copy)) == list(shaping_files())
    assert image_digest("head", INGREDIENTS, copy) == image_digest("head", INGREDIENTS)


def test_head_and_worker_differ() -> None:
    assert image_digest("head", INGREDIENTS) != image_digest("worker", INGREDIENTS)


@pytest.mark.parametrize(
    "changes",
    [
        {"source_ami": "ami-newer"},
        {"architecture": "arm64"},
        {"python": "3.12"},
        {"volume_gib": 21},
        {"encrypted": False},
        {"ssm_agent_required": False},
    ],
)
def test_every_ingredient_counts(changes: dict[str, object]) -> None:
    changed = replace(INGREDIENTS, **changes)  # type: ignore[arg-type] # values of mixed types

    assert image_digest("head", changed) != image_digest("head", INGREDIENTS)


def test_every_file_that_shapes_an_image_counts(checkout: Path) -> None:
    before = image_digest("head", INGREDIENTS, checkout)
    seen = {before}
    for path in shaping_files(checkout):
        with (checkout / path).open("a") as file:
            file.write("\n")
        seen.add(image_digest("head", INGREDIENTS, checkout))

    assert len(seen) == len(list(shaping_files(checkout))) + 1


def test_a_renamed_file_counts(checkout: Path) -> None:
    before = image_digest("head", INGREDIENTS, checkout)
    (checkout / "systemd/ray-head.service").rename(checkout / "systemd/ray-other.service")

    assert image_digest("head", INGREDIENTS, checkout) != before


def test_compiled_modules_do_not_count(checkout: Path) -> None:
    before = image_digest("head", INGREDIENTS, checkout)
    (checkout / "node/__pycache__").mkdir(exist_ok=True)
    (checkout / "node/__pycache__/guard.cpython-311.pyc").write_bytes(b"\0")

    assert image_digest("head", INGREDIENTS, checkout) == before
