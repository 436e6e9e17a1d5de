"""Root volumes of machines on block devices of their own, so that what a boot reads is counted.

An image's tree is written to an ext4 file system, which is mounted anew for each boot: nothing of
it is in the page cache then. The device counts all that is read from it, directories and read-ahead
included, which is what EC2 would fetch from the image's snapshot. What a machine writes is
elsewhere.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import time
from typing import NamedTuple

from localcloud.cgroups import Group
from localcloud.images import unmount
from localcloud.paths import paths
from localcloud.processes import run, server_of

BLKIO = Path("/sys/fs/cgroup/blkio")
SECTOR = 512  # bytes: the kernel's admin-guide/iostats.rst
EVERY = 0.02  # seconds between two readings
FINCORE = ("--bytes", "--raw", "--noheadings", "--output", "RES,FILE")
SPARE = 1.3  # of what the files take: ext4's own tables, and the rounding up to blocks
INODES = 200_000


class Reading(NamedTuple):
    """What a machine has taken so far: bytes and requests of its volume, seconds of CPU."""

    at: float  # seconds since the epoch
    bytes: int
    requests: int
    cpu: float


@dataclass(frozen=True)
class Volume:
    """A mounted file system; ``device`` is its name in /sys/block."""

    root: Path
    device: str
    before: tuple[int, int]  # what its device, which had other files before, counted then

    def read(self) -> tuple[int, int]:
        """Return the bytes and the requests that were read since it was attached."""
        bytes_read, requests = counted(self.device)
        return bytes_read - self.before[0], requests - self.before[1]

    def resident(self) -> dict[str, int]:
        """Return the bytes of each file that are in the page cache: all that was read of it."""
        found = run(*outside(), "find", str(self.root), "-xdev", "-type", "f", "-print0")
        found = run(*outside(), "xargs", "-0", "fincore", *FINCORE, text=found)
        pairs = (line.split(maxsplit=1) for line in found.splitlines())
        return {
            str(Path(name).relative_to(self.root)): int(size) for size, name in pairs if int(size)
        }


def write_volume(layers: Sequence[Path], file: Path) -> None:
    """Write the tree that overlayfs makes of the layers, topmost first, to a file system."""
    with merged(layers, file.with_suffix(".merged")) as tree:
        size = int(run("du", "--summarize", "--block-size=1", str(tree)).split()[0])
        with file.open("wb") as content:
            content.truncate(int(size * SPARE))
        options = "^has_journal,^metadata_csum_seed"
        command = ("mkfs.ext4", "-q", "-F", "-m", "0", "-O", options, "-N", str(INODES))
        run(*command, "-d", str(tree), str(file))


@contextmanager
def merged(layers: Sequence[Path], place: Path) -> Iterator[Path]:
    """Mount the layers together, read-only."""
    place.mkdir()
    run(
        "mount",
        "-t",
        "overlay",
        "overlay",
        "-o",
        f"lowerdir={':'.join(map(str, layers))}",
        str(place),
    )
    try:
        yield place
    finally:
        unmount(place)
        place.rmdir()


def attach(file: Path, root: Path, read_ahead: int) -> Volume:
    """Mount a file system at ``root``, which becomes a folder; nothing of it has been read yet.

    ``read_ahead`` in KiB: what the kernel reads beyond what was asked for, at most.
    """
    root.mkdir(parents=True)
    # mount(8) itself would take the device of another mount of the file, and what that has cached.
    node = run("losetup", "--find", "--show", "--read-only", str(file)).strip()
    run(*outside(), "mount", "-o", "ro", node, str(root))
    run("losetup", "--detach", node)  # once it is unmounted: losetup(8)
    device = Path(node).name
    Path("/sys/block", device, "bdi/read_ahead_kb").write_text(str(read_ahead))
    return Volume(root, device, counted(device))


def counted(device: str) -> tuple[int, int]:
    """Return the bytes and the requests that were read of a device."""
    words = Path("/sys/block", device, "stat").read_text().split()
    requests, _, sectors = map(int, words[:3])
    return sectors * SECTOR, requests


def detach(volume: Volume) -> None:
    """Unmount it; its device goes with it."""
    run(*outside(), "umount", str(volume.root))
    volume.root.rmdir()


def outside() -> tuple[str, ...]:
    """Return what runs a command where the cloud mounts machines' disks: an operator's process has
    its own mounts.
    """
    return ("nsenter", f"--target={server_of(paths())}", "--mount", "--")


def limit(volume: Volume, name: str, pid: int, reads: int) -> None:
    """Have a process, and those that it starts, read a volume so often a second; 0: without limit.

    The group is of the kernel's version 1: admin-guide/cgroup-v1/blkio-controller.rst.
    """
    group = BLKIO / name
    group.mkdir(exist_ok=True)
    number = Path("/sys/block", volume.device, "dev").read_text().strip()
    (group / "blkio.throttle.read_iops_device").write_text(f"{number} {reads}")
    (group / "cgroup.procs").write_text(str(pid))


def unlimit(name: str) -> None:
    """Remove the group of ``limit``, whose processes have ended."""
    if (BLKIO / name).exists():
        (BLKIO / name).rmdir()


class Readings:
    """What a machine takes, read in a thread until it is told to end."""

    def __init__(self, volume: Volume, group: Group) -> None:
        self._volume, self._group = volume, group
        self._all: list[Reading] = []
        self._over = Event()
        self._thread = Thread(target=self._read, daemon=True)

    def __enter__(self) -> "Readings":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def at(self, moment: float) -> Reading:
        """Return the last one until then."""
        return max((one for one in self._all if one.at <= moment), default=self._all[0])

    def _read(self) -> None:
        while not self._over.wait(EVERY):
            with suppress(OSError):  # its group is about to be made
                cpu, _ = self._group.usage()
                self._all.append(Reading(time(), *self._volume.read(), cpu))
