"""What the pipeline's image is built from: a folder, and the digest that names its image. No AWS.

The same files give the same folder and the same digest on every machine: names, order, modes and
times of files are set here.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bake.documents import LOCK, application_files
from bake.ray_lock import Target, pins_for
from bake.wheelhouse import check_wheels, fetch_wheelhouse
from common.checkout import REPOSITORY
from common.progress import Say

CONTAINERFILE = Path("documents/Containerfile")
PLATFORM = Target("3.11", "x86_64")  # Debian 12's Python; Fargate's default processor
DIGITS = 24  # of the digest, in the tag


@dataclass(frozen=True)
class Ingredients:
    """What an image is made from: folders of wheels and of the model, and the name of its base."""

    wheels: Path  # a wheelhouse: requirements.txt and wheels/
    model: Path
    base: str
    repository: Path = REPOSITORY

    @property
    def tag(self) -> str:
        """Return the tag of the image, which follows from all that shapes it."""
        digest = hashlib.sha256(f"{self.base}\0".encode())
        for name, data in self.files.items():
            digest.update(f"{name}\0{len(data)}\0".encode() + data)
        return digest.hexdigest()[:DIGITS]

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Each file of the context; read once, so that edits during a build change nothing.

        Wheels are not among them: requirements.txt has their hashes.
        """
        return {name: path.read_bytes() for name, path in self._paths()}

    def _paths(self) -> Iterator[tuple[str, Path]]:
        yield "Containerfile", self.repository / CONTAINERFILE
        yield "requirements.txt", self.wheels / "requirements.txt"
        for path in sorted(self.model.iterdir()):
            yield f"model/{path.name}", path
        for path in application_files(self.repository):
            yield f"app/{path}", self.repository / path


def fetch_wheels(cache: Path, progress: Say, repository: Path = REPOSITORY) -> Path:
    """Return the folder with the application's wheels, fetched once and checked by hash.

    Raises PipelineError when one cannot be fetched or is not the one that the lock names.
    """
    pins = pins_for((repository / LOCK).read_text(), PLATFORM)
    folder = fetch_wheelhouse(pins, PLATFORM, cache, progress, str(LOCK))
    check_wheels(folder, pins, str(LOCK))
    return folder


@contextmanager
def build_context(ingredients: Ingredients, cache: Path) -> Iterator[Path]:
    """Yield the folder to build from, and remove it."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="context-") as made:
        folder = Path(made)
        for name, data in ingredients.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
            (folder / name).chmod(0o644)
        for path in sorted(folder.rglob("*"), reverse=True):
            if path.is_dir():
                path.chmod(0o755)
            os.utime(path, (0, 0))
        (folder / "wheels").mkdir()
        for wheel in (ingredients.wheels / "wheels").iterdir():
            os.link(wheel, folder / "wheels" / wheel.name)
        yield folder
