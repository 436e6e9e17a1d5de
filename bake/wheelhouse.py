"""Fetch an image's wheels once, on the operator's machine. No AWS; pip uses the network.

A wheelhouse is a folder named by the digest of its content: ``requirements.txt`` (the packages of
the lock for the image's Python and processor) and ``wheels/``. It is complete or does not exist.
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
from bake.ray_lock import Pin, Target
from common.cache_errors import NETWORK, ROOM, cache_translated, disconnected, unwritten
from common.errors import PipelineError

# The images' glibc: 2.36 on Debian 12, 2.41 on 13, 2.35 on Ubuntu 22.04, 2.39 on 24.04. PEP 600: a
# wheel for an older glibc runs on a newer one, but pip accepts only the platforms that are listed.
GLIBC_MINORS = range(35, 16, -1)
# pip's line for a package from an index, and for one from a folder.
PACKAGE_LINE = re.compile(
    r"(?:Collecting |Processing .*/(?=[^/\s]+\.whl))([\w.]+(?:-[A-Za-z][\w.]*)*)"
)


@cache_translated()
def fetch_wheelhouse(
    pins: tuple[Pin, ...],
    target: Target,
    cache_dir: Path,
    progress: Callable[[str], None],
    lock: str = LOCK.name,
) -> Path:
    """Return the wheelhouse of these packages; fetch it when it is not cached.

    ``lock`` is the name of the lock that they are from. Raises PipelineError when a wheel's hash is
    not in the lock, when there is no wheel for the image's Python, or when one cannot be fetched;
    the cache is unchanged in that case.
    """
    folder = cache_dir / "wheelhouse" / _name(pins, target)
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        _fetch(folder, pins, target, progress, lock)
    return folder


def check_wheels(wheelhouse: Path, pins: tuple[Pin, ...], lock: str = LOCK.name) -> None:
    """Raise PipelineError unless the hash of every wheel in the cache is in the lock."""
    allowed = {(pin.name, digest) for pin in pins for digest in pin.hashes}
    for wheel in sorted((wheelhouse / "wheels").iterdir()):
        name = parse_wheel_filename(wheel.name)[0]
        if (name, f"sha256:{_sha256(wheel)}") not in allowed:
            raise PipelineError(
                f"{wheel.name} in the cache is not the wheel that {lock} names: its hash differs",
                hint=f"remove {wheelhouse} and bake again",
            )


def _name(pins: tuple[Pin, ...], target: Target) -> str:
    # The representation holds the names of both classes: a new name means another folder.
    content = repr((target, pins, GLIBC_MINORS)).encode()
    return f"cp{target.python}-{target.machine}-{hashlib.sha256(content).hexdigest()[:16]}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(
    folder: Path,
    pins: tuple[Pin, ...],
    target: Target,
    progress: Callable[[str], None],
    lock: str,
) -> None:
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix="fetching-"))
    try:
        requirements = scratch / "requirements.txt"
        requirements.write_text("".join(f"{pin}\n" for pin in pins))
        _download(requirements, scratch / "wheels", target, len(pins), progress, lock)
        _move(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _move(scratch: Path, folder: Path) -> None:
    """Rename the complete wheelhouse; keep an identical one that another process finished first."""
    scratch.chmod(0o755)
    try:
        scratch.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _download(
    requirements: Path,
    into: Path,
    target: Target,
    count: int,
    progress: Callable[[str], None],
    lock: str,
) -> None:
    lines: list[str] = []
    command = _pip_download(requirements, into, target)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if started := PACKAGE_LINE.match(line):
                done = sum(bool(PACKAGE_LINE.match(line)) for line in lines)
                progress(f"{done} of {count} wheels: {started[1]}")
    if process.returncode:
        raise _failure(lines, target, lock)


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


def _failure(lines: list[str], target: Target, lock: str) -> PipelineError:
    """Return an error that says what pip could not do, from its output."""
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    text = "\n".join(lines)
    started = [at for at, line in enumerate(lines) if PACKAGE_LINE.match(line)]
    broken = disconnected(lines[started[-1] :] if started else lines)
    fetching = f"the wheels of {lock} could not be fetched: "
    renew = "invoke lock" if lock == LOCK.name else f"lock {lock} anew"
    if "DO NOT MATCH THE HASHES" in text:
        names = [line.strip() for line in lines if line.strip().endswith(":") and "://" in line]
        return PipelineError(
            f"a wheel is not the one that {lock} names: its hash differs: "
            + (" ".join(names) or text[-300:]),
            hint=f"do not use it; find out who serves it. If it was published again: {renew}",
        )
    if full := unwritten(lines):
        return PipelineError(fetching + full, hint=f"{ROOM}; the cache is unchanged")
    if "No matching distribution" in text and not broken:
        return PipelineError(
            f"{lock}: no wheel for Python {target.python} on {target.machine}: {errors[-1]}",
            hint="set the image's python to what its base has, or pin another version: " + renew,
        )
    return PipelineError(
        fetching + (broken or (errors or lines or ["pip printed nothing"])[-1]),
        hint=f"{NETWORK}; the cache is unchanged",
    )
