"""Fetch an image's wheels once, on the operator's machine. No AWS; network by pip.

A wheelhouse is a folder named by the digest of what it must hold: ``requirements.txt`` (the lock,
narrowed to the image's Python and processor) and ``wheels/``. It is complete or absent.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from packaging.utils import parse_wheel_filename

from bake.files import LOCK
from bake.ray_lock import Pin, Target, pins
from common.checkout import REPOSITORY
from common.environment import Environment
from common.errors import PipelineError

# The images' glibc: 2.36 on Debian 12, 2.35 on Ubuntu 22.04, 2.39 on 24.04. PEP 600: a wheel for an
# older one runs on a newer one, but pip only takes the platforms that it is told.
GLIBC_MINORS = range(35, 16, -1)
# What pip says of a package from an index, and of one from a folder.
BEGUN = re.compile(r"(?:Collecting |Processing \S*/)([\w.]+(?:-[A-Za-z][\w.]*)*)")


def fetch_wheelhouse(
    environment: Environment,
    cache_dir: Path,
    progress: Callable[[str], None],
    lock: Path = REPOSITORY / LOCK,
) -> Path:
    """Return the wheelhouse of the environment's images, fetching it if it is not cached.

    Raises PipelineError when a wheel is not the one that was locked, is missing for the image's
    Python, or cannot be fetched; the cache is then as it was.
    """
    target = Target(environment.image.python, environment.image.architecture)
    wanted = pins(lock.read_text(), target)
    place = cache_dir / "wheelhouse" / _name(wanted, target)
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        _fetch(place, wanted, target, progress)
    return place


def check_wheels(wheelhouse: Path, wanted: tuple[Pin, ...]) -> None:
    """Raise PipelineError unless every wheel in the cache is, to the bit, one that was locked."""
    allowed = {(pin.name, digest) for pin in wanted for digest in pin.hashes}
    for wheel in sorted((wheelhouse / "wheels").iterdir()):
        name = parse_wheel_filename(wheel.name)[0]
        if (name, f"sha256:{_sha256(wheel)}") not in allowed:
            raise PipelineError(
                f"{wheel.name} in the cache is not the wheel that ray.lock names: its hash differs",
                hint=f"remove {wheelhouse} and bake again",
            )


def _name(wanted: tuple[Pin, ...], target: Target) -> str:
    content = repr((target, wanted, GLIBC_MINORS)).encode()
    return f"cp{target.python}-{target.machine}-{hashlib.sha256(content).hexdigest()[:16]}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(
    place: Path, wanted: tuple[Pin, ...], target: Target, progress: Callable[[str], None]
) -> None:
    scratch = Path(tempfile.mkdtemp(dir=place.parent, prefix="fetching-"))
    try:
        requirements = scratch / "requirements.txt"
        requirements.write_text("".join(f"{pin}\n" for pin in wanted))
        _download(requirements, scratch / "wheels", target, len(wanted), progress)
        _settle(scratch, place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _settle(scratch: Path, place: Path) -> None:
    """Move the complete wheelhouse into its place; one that came first is as good."""
    scratch.chmod(0o755)
    try:
        scratch.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def _download(
    requirements: Path,
    into: Path,
    target: Target,
    count: int,
    progress: Callable[[str], None],
) -> None:
    lines: list[str] = []
    command = _pip_download(requirements, into, target)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if begun := BEGUN.match(line):
                done = sum(bool(BEGUN.match(line)) for line in lines)
                progress(f"{done} of {count} wheels: {begun[1]}")
    if process.returncode:
        raise _failure(lines, target)


def _pip_download(requirements: Path, into: Path, target: Target) -> list[str]:
    platforms = [f"manylinux_2_{minor}_{target.machine}" for minor in GLIBC_MINORS]
    platforms += [f"manylinux2014_{target.machine}", f"linux_{target.machine}"]
    return [
        *(sys.executable, "-m", "pip", "download", "--no-input", "--disable-pip-version-check"),
        *("--no-deps", "--require-hashes", "--only-binary=:all:", "--progress-bar=off"),
        *("--implementation=cp", f"--python-version={target.python}"),
        *(f"--platform={platform}" for platform in platforms),
        *("--dest", str(into), "--requirement", str(requirements)),
    ]


def _failure(lines: list[str], target: Target) -> PipelineError:
    """Say what pip could not do, by the words it uses."""
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    text = "\n".join(lines)
    if "DO NOT MATCH THE HASHES" in text:
        names = [line.strip() for line in lines if line.strip().endswith(":") and "://" in line]
        return PipelineError(
            "a wheel is not the one that ray.lock names: its hash differs: "
            + (" ".join(names) or text[-300:]),
            hint="do not use it; find out who serves it. If it was published anew: invoke lock",
        )
    if "No matching distribution" in text:
        return PipelineError(
            f"no wheel for Python {target.python} on {target.machine}: {errors[-1]}",
            hint="set image.python to what the base image has, or pin another version: invoke lock",
        )
    return PipelineError(
        "the wheels could not be fetched: " + (errors or lines or ["pip said nothing"])[-1],
        hint="check the network and pip's configuration; nothing was left half-done",
    )
