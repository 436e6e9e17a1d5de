"""Disks: an image is a list of read-only layers, a machine writes into its own layer. No AWS.

Overlayfs combines them (the kernel's filesystems/overlayfs.rst). Making an image of a stopped
machine copies nothing: its layer becomes the image's, and the machine continues with a new, empty
one. A layer is removed once neither image nor machine uses it.
"""

import re
import shutil
import threading
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from localcloud.deletion import delete_folder
from localcloud.processes import run

# Layers must be self-contained, since a machine's becomes an image's.
OVERLAY_OPTIONS = "index=off,redirect_dir=off,metacopy=off"
MOUNTS = Path("/proc/self/mounts")
ESCAPED = re.compile(r"\\([0-7]{3})")


class Images:
    """The images of one local cloud, in ``folder``; machines' disks are in ``machines``."""

    def __init__(self, folder: Path, machines: Path) -> None:
        self.folder = folder
        self.machines = machines
        self._layers = folder / "layers"
        self._lock = threading.Lock()

    def add_base(self, ami_id: str, root: Path) -> None:
        """Register a tree that is kept elsewhere as an image of one layer."""
        self._layers.mkdir(parents=True, exist_ok=True)
        _write_list(self.folder / f"{ami_id}.layers", [root])

    def prepare(self, instance_id: str, ami_id: str) -> None:
        """Make a machine's disk from an image."""
        with self._lock:
            layers = _read_list(self.folder / f"{ami_id}.layers")
            disk = self.machines / instance_id
            for part in ("root", "upper", "work"):
                (disk / part).mkdir(parents=True)
            _write_list(disk / "layers", layers)

    def mount(self, instance_id: str) -> Path:
        """Mount the machine's layers together and return where."""
        disk = self.machines / instance_id
        mount_overlay(_read_list(disk / "layers"), disk)
        return disk / "root"

    def unmount(self, instance_id: str) -> None:
        unmount(self.machines / instance_id / "root")

    def capture(self, instance_id: str, ami_id: str) -> None:
        """Make an image of a stopped machine's disk."""
        with self._lock:
            disk = self.machines / instance_id
            layer = self._layers / uuid.uuid4().hex
            (disk / "upper").rename(layer)
            layers = [layer, *_read_list(disk / "layers")]
            _write_list(disk / "layers", layers)
            _write_list(self.folder / f"{ami_id}.layers", layers)
            for part in ("upper", "work"):
                shutil.rmtree(disk / part, ignore_errors=True)
                (disk / part).mkdir()

    def duplicate(self, source: str, ami_id: str) -> None:
        """Make an image of another one: layers do not change, so both have the same."""
        with self._lock:
            _write_list(
                self.folder / f"{ami_id}.layers", _read_list(self.folder / f"{source}.layers")
            )

    def forget(self, ami_id: str) -> None:
        """Remove an image and the layers that nothing uses any more."""
        with self._lock:
            (self.folder / f"{ami_id}.layers").unlink(missing_ok=True)
            self._remove_unused()

    def destroy(self, instance_id: str) -> None:
        """Remove a machine's disk."""
        with self._lock:
            delete_folder(self.machines / instance_id)
            self._remove_unused()

    def _remove_unused(self) -> None:
        lists = [*self.folder.glob("*.layers"), *self.machines.glob("*/layers")]
        used = {layer for path in lists for layer in _read_list(path)}
        for layer in self._layers.iterdir():
            if layer not in used:
                delete_folder(layer)


def mount_overlay(layers: Sequence[Path], disk: Path) -> None:
    """Mount ``disk/root``: ``disk/upper`` above the layers, topmost first; raises OSError."""
    lower = ":".join(map(str, layers))
    options = f"lowerdir={lower},upperdir={disk}/upper,workdir={disk}/work,{OVERLAY_OPTIONS}"
    run("mount", "-t", "overlay", "overlay", "-o", options, str(disk / "root"))


def unmount(place: Path) -> None:
    """Unmount ``place`` if something is mounted there; raises OSError if it is in use."""
    if str(place.resolve()) in mounts_below(place):
        run("umount", str(place))


def mounts_below(folder: Path) -> list[str]:
    """Return the mount points at or below ``folder``, the deepest first, as the kernel has them."""
    folder = folder.resolve()
    points = [mount_point(line) for line in MOUNTS.read_text().splitlines()]
    return sorted((p for p in points if _is_below(p, folder)), key=len, reverse=True)


def mount_point(line: str) -> str:
    """Return the mount point of a line of the mount table.

    Space, tab, newline and backslash are written as octal numbers: proc_pid_mounts(5), fstab(5).
    """
    return ESCAPED.sub(lambda found: chr(int(found[1], 8)), line.split()[1])


def _is_below(point: str, folder: Path) -> bool:
    return point == str(folder) or point.startswith(f"{folder}/")


def _read_list(path: Path) -> list[Path]:
    return [Path(line) for line in path.read_text().splitlines()]


def _write_list(path: Path, layers: Iterable[Path]) -> None:
    path.write_text("".join(f"{layer}\n" for layer in layers))
