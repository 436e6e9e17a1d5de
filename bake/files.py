"""The files of the checkout that shape an image. No AWS."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from common.checkout import REPOSITORY

TEMPLATE = Path("packer")
PROVISIONERS = Path("ami-provisioners")
LOCK = PROVISIONERS / "ray.lock"
# Every file in these folders is in an image, or decides how one is built.
FOLDERS = (TEMPLATE, PROVISIONERS, Path("systemd"), Path("node"))

ROLES = ("head", "worker")


def copy_shaping_files(into: Path, repository: Path = REPOSITORY) -> Path:
    """Copy every shaping file, so that edits during a bake do not change what it builds."""
    for path in shaping_files(repository):
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository / path, into / path)
    return into


def shaping_files(repository: Path = REPOSITORY) -> Iterator[Path]:
    """Yield, in order and relative to the checkout, every file that shapes an image."""
    for folder in FOLDERS:
        for path in sorted((repository / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(repository)
