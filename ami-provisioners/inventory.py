"""Print what is in the image as JSON: packages, units, users, files, settings, kernels.

Runs on the build instance, after all that is installed and before the clean-up, and needs no
packages. bake/inventory.py reads it.
"""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facts import UPLOADS, lines_of, users

# Where a base image, we and a person put files that are of no package.
PLACES = ("/etc", "/opt", "/srv", "/usr/local")
# What 90-clean.sh removes or empties, what cloud-init and DHCP write at each boot, what says when
# the image was built, and passwords.
NOT_OF_THE_IMAGE = (
    *("/etc/ssh/ssh_host_*", "/etc/machine-id", "/etc/hostname", "/etc/netplan/50-cloud-init.yaml"),
    *("/etc/hosts", "/etc/resolv.conf"),
    *("/etc/network/interfaces.d/50-cloud-init", "/etc/udev/rules.d/70-persistent-net.rules"),
    *("/etc/raykiln/image.json", "/etc/raykiln/software.json"),
    *("/etc/shadow*", "/etc/gshadow*"),
)
LIST_DISTRIBUTIONS = """
import importlib.metadata, json, platform
found = {str(one.name): one.version for one in importlib.metadata.distributions()}
print(json.dumps({"version": platform.python_version(), "packages": found}))
"""


def system() -> dict[str, str]:
    """Return what os-release(5) says of the distribution."""
    rows = (line.partition("=") for line in Path("/etc/os-release").read_text().splitlines())
    found = {name: value.strip("\"'") for name, _, value in rows}
    return {name: found.get(name.upper(), "") for name in ("id", "version_id", "pretty_name")}


def kernels() -> list[str]:
    """Return the version of every kernel that modules are installed for."""
    return sorted(path.name for path in Path("/lib/modules").glob("*") if path.is_dir())


def debian() -> dict[str, list[str]]:
    """Return version, architecture, source and its version of every installed package."""
    named = ("db:Status-Abbrev", "binary:Package", "Version", "Architecture")
    fields = (*named, "source:Package", "source:Version")
    form = "|".join(f"${{{name}}}" for name in fields) + "\n"
    rows = (line.split("|") for line in lines_of("dpkg-query", "--show", f"--showformat={form}"))
    return {package: rest for status, package, *rest in rows if status.startswith("ii")}


def python() -> dict[str, Any]:
    """Return version and distributions of each Python: by its environment, the base's as /usr."""
    found = {"/usr": _distributions("/usr/bin/python3")}
    for folder in environments():
        found[folder] = _distributions(f"{folder}/bin/python")
    return found


def environments() -> list[str]:
    """Return the folder of every virtual environment (PEP 405)."""
    ours = ("-not", "-path", f"{UPLOADS}/*")
    found = lines_of("find", "/", "-xdev", "-name", "pyvenv.cfg", "-type", "f", *ours)
    return sorted(str(Path(line).parent) for line in found)


def units() -> dict[str, str]:
    """Return the state of every unit file, as systemd names it; those of sessions are no files."""
    listing = lines_of("systemctl", "list-unit-files", "--plain", "--no-legend")
    found = (line.split()[:2] for line in listing)
    return {name: state for name, state in found if state != "transient"}


def settings() -> dict[str, str]:
    """Return the kernel's settings that are made at boot (sysctl.d(5)); the last one holds."""
    lines = lines_of("/lib/systemd/systemd-sysctl", "--cat-config")
    rows = (line.partition("=") for line in lines if line.strip()[:1] not in ("", "#", ";"))
    return {name.strip(): value.strip() for name, _, value in rows}


def files() -> dict[str, dict[str, str]]:
    """Return both hashes of every file that is of no package; SPDX 2.3 demands SHA-1 of a file."""
    packaged = set(_packaged())
    return {
        str(path): _hashes(path.read_bytes())
        for path in sorted(_placed(tuple(environments())))
        if str(path) not in packaged
    }


def _packaged() -> Iterator[str]:
    for listing in Path("/var/lib/dpkg/info").glob("*.list"):
        yield from listing.read_text().splitlines()


def _placed(environments: tuple[str, ...]) -> Iterator[Path]:
    """Yield files, but not those of Python's environments, which their distributions stand for."""
    for place in PLACES:
        for folder, folders, names in os.walk(place):
            below = (name for name in folders if name != "__pycache__")
            folders[:] = [name for name in below if str(Path(folder, name)) not in environments]
            found = (Path(folder, name) for name in names)
            yield from (path for path in found if path.is_file() and _counts(path))


def _counts(path: Path) -> bool:
    return not (path.is_symlink() or any(path.match(glob) for glob in NOT_OF_THE_IMAGE))


def _hashes(content: bytes) -> dict[str, str]:
    sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    return {"sha256": hashlib.sha256(content).hexdigest(), "sha1": sha1}


def _distributions(interpreter: str) -> dict[str, Any]:
    command = [interpreter, "-I", "-B", "-c", LIST_DISTRIBUTIONS]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


PARTS = (system, kernels, debian, python, units, users, settings, files)

if __name__ == "__main__":
    print(json.dumps({part.__name__: part() for part in PARTS}, indent=1, sort_keys=True))
