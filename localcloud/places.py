"""Whether folders can hold a local cloud, and which mounts in them are its own. No AWS."""

import os
import shutil
import tempfile
from pathlib import Path

from common.errors import Refused
from localcloud.images import mounts_below
from localcloud.paths import Paths

GIB = 2**30
# Of the home: images of a head and a worker with Ray, and their machines. Of the cache: the base
# that images are made from, and wheels.
HOME_GIB, CACHE_GIB = 4, 1
# Separates the folders of PATH and its kind: environ(7).
SEPARATOR = ":"


def check_places(place: Paths) -> None:
    """Raise Refused, in one line each, for folders that cannot hold the cloud."""
    for variable, folder in (("RAYKILN_HOME", place.home), ("RAYKILN_CACHE", place.cache)):
        hint = f"set {variable} to a folder that root can write"
        odd = sorted({c for c in str(folder) if c == SEPARATOR or not c.isprintable()})
        if odd:
            raise Refused(
                f"{str(folder)!r}: the local cloud cannot be in a folder whose name has "
                f"{''.join(odd)!r}",
                hint=f"set {variable} to a folder without it in its name",
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise Refused(f"{folder} cannot be written: {error.strerror}", hint=hint) from error


def check_space(place: Paths) -> None:
    """Raise Refused unless there is room for images and machines, and for what is kept."""
    _check_free("RAYKILN_HOME", place.home, HOME_GIB)
    _check_free("RAYKILN_CACHE", place.cache, CACHE_GIB)


def _check_free(variable: str, folder: Path, least: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < least * GIB:
        raise Refused(
            f"{folder} has {free / GIB:.1f} GiB free, and the local cloud needs {least}",
            hint=f"free some, or set {variable} to a folder on another disk",
        )


def make_links(place: Paths) -> None:
    """Make the links that tools are given in the place of home and cache."""
    for link, folder in place.links.items():
        link.unlink(missing_ok=True)
        link.symlink_to(folder)


def remove_links(place: Paths) -> None:
    """Remove the links; what they lead to stays."""
    for link in place.links:
        link.unlink(missing_ok=True)


def own_mounts(place: Paths) -> list[Path]:
    """Return what the cloud has mounted, the deepest first; other mounts there are not its own."""
    folders = (place.machines, place.images, place.tasks, place.run)
    points = [point for folder in folders for point in mounts_below(folder)]
    return [Path(point) for point in sorted(points, key=len, reverse=True)]


def remove_if_empty(folder: Path) -> None:
    """Remove a folder that has nothing in it, unless something is mounted there."""
    if not os.path.ismount(folder) and not any(folder.iterdir()):
        folder.rmdir()
