"""Instance store: the NVMe disks of a machine's own, as loop devices on sparse files. No AWS.

A disk is empty when its machine starts, and gone when it stops; a reboot keeps it. Within the
machine it is called as on EC2, also by the links that udev makes:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-store-lifetime.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/nvme-ebs-volumes.html
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from localcloud.processes import run

GIGABYTE = 10**9
MODEL = "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS"
BY_ID = "/dev/disk/by-id"
LOOPS = Path("/sys/block")


def attach(disk: Path, count: int, gigabytes: int) -> tuple[str, ...]:
    """Make the disks of the machine in the folder ``disk``, and return what it has to bind.

    Each is ``source:target``, as for systemd-nspawn's ``--bind``. Raises OSError where this host
    has no loop devices.
    """
    detach(disk)
    if not count:
        return ()
    folder = _folder(disk)
    links = folder / "by-id"
    links.mkdir(parents=True)
    bound = [f"{links}:{BY_ID}"]
    for number in range(1, count + 1):
        file, name = folder / str(number), f"nvme{number}n1"
        file.touch()
        os.truncate(file, gigabytes * GIGABYTE)
        device = run("losetup", "--find", "--show", str(file)).strip()
        (links / f"{MODEL}{number:016X}").symlink_to(f"../../{name}")
        bound.append(f"{device}:/dev/{name}")
    return tuple(bound)


def detach(disk: Path) -> None:
    """Remove the disks of the machine in the folder ``disk``; raises OSError."""
    for device in _devices_below(_folder(disk)):
        run("losetup", "--detach", str(device))
    shutil.rmtree(_folder(disk), ignore_errors=True)


def detach_all(machines: Path) -> None:
    """Remove the disks of all machines whose folders are in ``machines``; raises OSError."""
    for device in _devices_below(machines):
        run("losetup", "--detach", str(device))


def _folder(disk: Path) -> Path:
    return disk / "instance-store"


def _devices_below(folder: Path) -> Iterator[Path]:
    """Yield the loop devices on files below a folder."""
    for backing in LOOPS.glob("loop*/loop/backing_file"):
        try:
            file = Path(backing.read_text().strip())
        except OSError:  # it was detached in between
            continue
        if file.is_relative_to(folder.resolve()):
            yield Path("/dev", backing.parts[-3])
