"""The base images of the local cloud: Debian as on AWS, with real cloud-init. No AWS.

``RAYKILN_BASES`` says which of Debian's versions there are: ``12`` by default, ``12,13`` for both.
Each is built once by mmdebstrap and cached under the digest of everything that shapes it: packages,
files, the finishing script and the private CA. Only the local cloud needs that CA, so it is
installed here and not by provisioners: in the system's trust store, and as ``AWS_CA_BUNDLE`` for
botocore, which ships its own bundle.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from common.errors import PipelineError, Refused
from common.file_lock import locked

VARIABLE = "RAYKILN_BASES"
SUITES = {"12": "bookworm", "13": "trixie"}
ARCHITECTURE = "amd64"
PACKAGES = (
    "bash-completion",
    "ca-certificates",
    "cloud-init",
    "curl",
    "dbus",
    "e2fsprogs",
    "iproute2",
    "iputils-ping",
    "less",
    "libpam-systemd",
    "logrotate",
    "lsb-release",
    "netbase",
    "nftables",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
    "tzdata",
    "vim-tiny",
    "wget",
    "xz-utils",
)
RECIPE = Path(__file__).with_name("base")
BUILDING = "building-"
CA_IN_IMAGE = Path("usr/local/share/ca-certificates/raykiln-local-cloud.crt")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class BaseImage:
    """A built base image: what AWS would call its public AMI."""

    version: str
    digest: str
    root: Path
    built: datetime

    @property
    def ami_id(self) -> str:
        return f"ami-{self.digest[:17]}"

    @property
    def name(self) -> str:
        """A name as Debian gives its AMIs: debian-12-amd64-DATE-SERIAL."""
        serial = int(self.digest[:4], 16) % 10000
        return f"debian-{self.version}-{ARCHITECTURE}-{self.built:%Y%m%d}-{serial:04d}"


def base_images(
    folder: Path, ca: Path, progress: Progress, environ: Mapping[str, str] = os.environ
) -> tuple[BaseImage, ...]:
    """Return the base images that the environment asks for; those that are missing are built."""
    return tuple(_base_image(folder, version, ca, progress) for version in _versions(environ))


def _versions(environ: Mapping[str, str]) -> list[str]:
    wanted = [each.strip() for each in (environ.get(VARIABLE) or "12").split(",")]
    unknown = sorted(set(wanted) - SUITES.keys())
    if unknown:
        raise Refused(
            f"{VARIABLE}: there is no base image {', '.join(map(repr, unknown))}",
            hint=f"give some of {','.join(SUITES)}, separated by commas",
        )
    return wanted


def _base_image(folder: Path, version: str, ca: Path, progress: Progress) -> BaseImage:
    digest = recipe_digest(version, ca)
    place = folder / digest[:16]
    if not (place / "image.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "lock"):  # one build at a time, across clouds that share the cache
            if not (place / "image.json").exists():
                _build(place, SUITES[version], ca, progress)
    facts = json.loads((place / "image.json").read_text())
    return BaseImage(version, digest, place / "root", datetime.fromisoformat(facts["built"]))


def recipe_digest(version: str, ca: Path) -> str:
    """Return sha256 over everything that shapes the image but Debian's archive itself."""
    content = hashlib.sha256(json.dumps([SUITES[version], ARCHITECTURE, PACKAGES]).encode())
    content.update(ca.read_bytes())
    for path in sorted(path for path in RECIPE.rglob("*") if path.is_file()):
        content.update(str(path.relative_to(RECIPE)).encode() + b"\0" + path.read_bytes())
    return content.hexdigest()


def _build(place: Path, suite: str, ca: Path, progress: Progress) -> None:
    for left in place.parent.glob(f"{BUILDING}*"):  # left by a build that was killed
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=BUILDING) as scratch:
        root = Path(scratch, "root")
        bootstrap(root, suite, PACKAGES, progress)
        progress("configuring")
        _finish(root, ca)
        facts = {"built": datetime.now(UTC).isoformat(), "packages": _packages(root)}
        Path(scratch, "image.json").write_text(json.dumps(facts, indent=1))
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for part in ("root", "image.json"):
            Path(scratch, part).rename(place / part)


def bootstrap(root: Path, suite: str, packages: Sequence[str], progress: Progress) -> None:
    """Run mmdebstrap with its default mirror; its lines become progress. Raises PipelineError.

    It runs in its own namespaces: its processes and mounts go with it, however it exits.
    """
    command = ["unshare", "--mount", "--propagation", "private"]
    command += ["--pid", "--fork", "--kill-child", "--mount-proc"]
    command += ["mmdebstrap", "--variant=minbase", f"--architectures={ARCHITECTURE}"]
    command += [f"--include={','.join(packages)}", suite, str(root)]
    lines: list[str] = []
    with _killed_with_us(subprocess.Popen(command, stderr=subprocess.PIPE, text=True)) as process:
        for line in process.stderr or ():
            lines.append(line.rstrip())
            if line.startswith("I: "):
                progress(line[3:].strip())
    if process.returncode:
        raise PipelineError(
            "the base image could not be built: " + "\n".join(lines[-5:]),
            hint="mmdebstrap needs the Debian archive; try again when it can be reached",
        )


@contextmanager
def _killed_with_us(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """Kill a process when we are interrupted, and wait for its children in any case."""
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    finally:
        process.communicate()  # returns once the last of them has exited


def _finish(root: Path, ca: Path) -> None:
    for source in sorted((RECIPE / "rootfs").rglob("*")):
        target = root / source.relative_to(RECIPE / "rootfs")
        if source.is_dir():
            target.mkdir(exist_ok=True)
        else:
            target.unlink(missing_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(0o644)
    (root / CA_IN_IMAGE).parent.mkdir(parents=True, exist_ok=True)
    (root / CA_IN_IMAGE).write_bytes(ca.read_bytes())
    script = (RECIPE / "finish.sh").read_text()
    subprocess.run(["chroot", str(root), "bash"], input=script, text=True, check=True)


def _packages(root: Path) -> list[str]:
    listed = subprocess.run(
        ["chroot", str(root), "dpkg-query", "-W", "-f", "${Package}=${Version}\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    return listed.stdout.split()
