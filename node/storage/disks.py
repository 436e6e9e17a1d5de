"""The instance's own NVMe disks, made into one file system. Changes disks; no AWS.

What Ray keeps there does not outlive Ray, so the file system is made anew at each boot, however the
last one ended. A disk that holds anything but our own file system is left alone. The disks of a new
instance are empty, and lose their content when it stops:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-store-lifetime.html
"""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BY_ID = Path("/dev/disk/by-id")
# How udev names disks of the model "Amazon EC2 NVMe Instance Storage"; also the pattern of
# awslabs/amazon-eks-ami, templates/shared/runtime/bin/setup-local-disks.
LINKS = "nvme-Amazon_EC2_NVMe_Instance_Storage_*"
PARTITION = re.compile(r"-part\d+$")
LABEL = "raykiln"
NOTHING_FOUND = 2  # blkid(8), --probe


class DiskError(Exception):
    """The disks cannot be used; the message says which, and why."""


@dataclass(frozen=True)
class FileSystem:
    """A file system on one device, or on several that btrfs stripes."""

    kind: str
    devices: tuple[Path, ...]

    @property
    def options(self) -> str:
        """Mount options; the kernel of a machine without udev must be told all devices."""
        more = [f"device={device}" for device in self.devices] if self.kind == "btrfs" else []
        return ",".join(["noatime", "nodev", "nosuid", *more])


def find_disks(by_id: Path = BY_ID) -> tuple[Path, ...]:
    """Return the disks' devices. udev has several links to one disk, and links to partitions."""
    links = [link for link in by_id.glob(LINKS) if not PARTITION.search(link.name)]
    return tuple(sorted({link.resolve() for link in links}))


def make_file_system(devices: Sequence[Path]) -> FileSystem:
    """Make one file system of the disks; raises DiskError, without a change, if one is not free.

    ext4 without a journal on one disk, which every base can make; btrfs without redundancy on
    several. A disk is trimmed before its instance gets it, and trimming it again takes long:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ssd-instance-store.html
    """
    if not devices:
        raise DiskError("this instance has no NVMe instance store")
    for device in devices:
        if content := _foreign_content(device):
            raise DiskError(f"{device} is left alone, it holds something else: {content}")
    made = FileSystem("ext4" if len(devices) == 1 else "btrfs", tuple(devices))
    _run(*_MAKE[made.kind], "-L", LABEL, *map(str, devices))
    return made


_MAKE = {
    "ext4": ("mkfs.ext4", *("-q", "-F"), *("-m", "0", "-O", "^has_journal", "-E", "nodiscard")),
    "btrfs": ("mkfs.btrfs", *("-q", "-f"), *("-d", "raid0", "-m", "raid0", "--nodiscard")),
}


def _foreign_content(device: Path) -> str:
    """Return in words what a disk holds that is not ours; empty for a disk that may be used."""
    probe = ("blkid", "--probe", "--output", "export", str(device))
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    if done.returncode == NOTHING_FOUND:
        return ""
    if done.returncode:
        return done.stderr.strip() or f"blkid ends with {done.returncode}"
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    if found.get("LABEL") == LABEL and found.get("TYPE") in _MAKE:
        return ""
    kind = found.get("TYPE") or found.get("PTTYPE", "unknown")
    return f"{kind} {found.get('LABEL', '')}".strip()


def _run(*command: str) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise DiskError(f"this image has no {command[0]}") from error
    except subprocess.CalledProcessError as error:
        raise DiskError(f"{command[0]}: {error.stderr.strip()}") from error
