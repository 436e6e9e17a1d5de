"""Whether folders can hold a local cloud, and which mounts in them are its own. No AWS."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from common.errors import Refused
from localcloud.images import mounts_below
from localcloud.paths import Paths

GIB = 2**30
# Images of a head and a worker with Ray, the base that they are made from, and their machines.
LEAST_GIB = 4
# What mount options, and the configuration of HAProxy, dnsmasq, Redis and runc, take as it is.
PLAIN = re.compile(r"[A-Za-z0-9/._+@~-]+")


def check_places(place: Paths) -> None:
    """Raise Refused, in one line each, for folders that cannot hold the cloud."""
    for variable, folder in (("RAYKILN_HOME", place.home), ("RAYKILN_CACHE", place.cache)):
        hint = f"set {variable} to a folder that root can write"
        if not PLAIN.fullmatch(str(folder)):
            odd = "".join(sorted(set(PLAIN.sub("", str(folder)))))
            raise Refused(
                f"{folder}: the local cloud cannot be in a folder whose name has {odd!r}",
                hint=f"set {variable} to one of letters, digits and / . _ + @ ~ -",
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise Refused(f"{folder} cannot be written: {error.strerror}", hint=hint) from error


def check_space(place: Paths) -> None:
    """Raise Refused unless the home has room for images and machines."""
    free = shutil.disk_usage(place.home).free
    if free < LEAST_GIB * GIB:
        raise Refused(
            f"{place.home} has {free / GIB:.1f} GiB free, and the local cloud needs {LEAST_GIB}",
            hint="free some, or set RAYKILN_HOME to a folder on another disk",
        )


def own_mounts(place: Paths) -> list[Path]:
    """Return what the cloud has mounted, the deepest first; other mounts there are not its own."""
    folders = (place.machines, place.images, place.tasks, place.run)
    points = [point for folder in folders for point in mounts_below(folder)]
    return [Path(point) for point in sorted(points, key=len, reverse=True)]


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that has nothing in it, unless something is mounted there."""
    if not os.path.ismount(folder) and not any(folder.iterdir()):
        folder.rmdir()
