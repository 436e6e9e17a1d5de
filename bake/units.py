"""Check a person's systemd units before a bake. No AWS; runs systemd-analyze where it is there."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

# systemd.unit(5), "Description": characters of a name, then the type; 255 at most.
UNIT_NAME = re.compile(
    r"[A-Za-z0-9:_.\\@-]{1,240}\.(service|socket|timer|path|target|mount|automount|swap|slice)"
)
OURS = "ray"
SECONDS = 30


def unit_mistakes(units: Mapping[str, bytes]) -> Iterator[str]:
    """Yield what is wrong with units, by their names, without knowing the image's files.

    Whether their programs and the units that they need exist is checked on the build instance.
    """
    for name in units:
        if "/" in name:
            yield f"{name}: a folder; units are files, and drop-ins are not supported"
        elif not UNIT_NAME.fullmatch(name):
            yield f"{name} is no unit's name, such as exporter.service"
        elif "@" in name:
            yield f"{name} is a template; name an instance's unit without @"
        elif name.startswith(OURS):
            yield f"{name}: names that begin with {OURS} belong to Raykiln's units"
    yield from _verified({name: text for name, text in units.items() if UNIT_NAME.fullmatch(name)})


def _verified(units: Mapping[str, bytes]) -> Iterator[str]:
    """Yield what systemd-analyze says of the files themselves.

    It exits with 0 on a key that systemd does not know, so its lines tell.
    """
    if not units or not shutil.which("systemd-analyze"):
        return
    with tempfile.TemporaryDirectory(prefix="raykiln-") as scratch:
        paths = [Path(scratch, name) for name in units]
        for path in paths:
            path.write_bytes(units[path.name])
        command = ["systemd-analyze", "verify", "--man=no", *map(str, paths)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False, errors="replace"
        )
        for line in done.stderr.splitlines():
            if line.startswith(f"{scratch}/"):
                name, number, words = line.removeprefix(f"{scratch}/").split(":", 2)
                yield f"{name}, line {number}: {words.strip()}"
            elif line.endswith(" Refusing.") and line.partition(":")[0] in units:
                yield line
