"""The file system on an instance's own disks, made for real on loop devices."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from node.storage.disks import DiskError, FileSystem, find_disks, make_file_system

MIB = 1 << 20
LINK = "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS"
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mkfs.btrfs"), reason="needs root and btrfs-progs"
)
# A partition table with one partition of Linux: the last 66 bytes of the first sector.
ENTRY = bytes([0, 0, 2, 0, 0x83, 0, 3, 0, 0, 8, 0, 0, 0, 8, 0, 0])
TABLE = bytes(446) + ENTRY + bytes(48) + b"\x55\xaa"
PARTITION = (sys.executable, "-c", f"import sys; open(sys.argv[1], 'r+b').write({TABLE!r})")
NewDisk = Callable[[], Path]


def ran(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def new_disk(tmp_path: Path) -> Iterator[NewDisk]:
    """Return a maker of empty disks."""
    with ExitStack() as stack:
        files = iter(range(8))

        def make() -> Path:
            file = tmp_path / f"disk{next(files)}"
            file.touch()
            os.truncate(file, 128 * MIB)
            device = ran("losetup", "--find", "--show", str(file))
            stack.callback(ran, "losetup", "--detach", device)
            return Path(device)

        yield make


@contextmanager
def mounted(made: FileSystem, place: Path) -> Iterator[Path]:
    place.mkdir()
    ran("mount", "-t", made.kind, "-o", made.options, str(made.devices[0]), str(place))
    try:
        yield place
    finally:
        ran("umount", str(place))


def mount_point(place: Path) -> list[str]:
    """Return the type and the options of what is mounted there."""
    return ran("findmnt", "--noheadings", "--output", "FSTYPE,OPTIONS", str(place)).split()


def test_one_disk_becomes_ext4_without_a_journal(new_disk: NewDisk, tmp_path: Path) -> None:
    disk = new_disk()

    made = make_file_system([disk])

    described = ran("dumpe2fs", "-h", str(disk))
    assert "has_journal" not in described
    assert re.search(r"Reserved block count: +0\n", described)
    with mounted(made, tmp_path / "store") as store:
        kind, options = mount_point(store)
        assert kind == "ext4"
        assert {"noatime", "nodev", "nosuid"} <= set(options.split(","))


def test_several_disks_become_one_striped_file_system(new_disk: NewDisk, tmp_path: Path) -> None:
    made = make_file_system([new_disk(), new_disk()])

    with mounted(made, tmp_path / "store") as store:
        assert mount_point(store)[0] == "btrfs"
        (store / "spilled").write_bytes(os.urandom(60 * MIB))
        os.sync()
        usage = ran("btrfs", "filesystem", "usage", "--raw", str(store))
        assert "Data,RAID0" in usage
        assert ran("df", "--output=size", "--block-size=1M", str(store)).split()[1] == "256"


def test_our_own_file_system_of_the_last_boot_is_made_anew(
    new_disk: NewDisk, tmp_path: Path
) -> None:
    disk = new_disk()
    with mounted(make_file_system([disk]), tmp_path / "first") as store:
        (store / "spilled").touch()

    with mounted(make_file_system([disk]), tmp_path / "second") as store:
        assert not (store / "spilled").exists()


def test_a_disk_that_was_striped_with_others_is_used_again(new_disk: NewDisk) -> None:
    first, second = new_disk(), new_disk()
    make_file_system([first, second])

    assert make_file_system([second]) == FileSystem("ext4", (second,))


@pytest.mark.parametrize("seconds", ["0.001", "0.003", "0.006", "0.012"])
def test_a_file_system_whose_making_was_killed_is_made_anew(
    new_disk: NewDisk, tmp_path: Path, seconds: str
) -> None:
    disks = [new_disk(), new_disk()]
    for command in (("mkfs.ext4", "-L", "raykiln"), ("mkfs.btrfs", "-L", "raykiln")):
        kill = ("timeout", "--signal=KILL", seconds, *command, *map(str, disks[:1]))
        subprocess.run(kill, capture_output=True, check=False)

    with mounted(make_file_system(disks), tmp_path / "store") as store:
        (store / "spilled").write_text("here")


@pytest.mark.parametrize(
    ("by_somebody_else", "words"),
    [
        (("mkfs.ext4", "-q", "-L", "precious"), "ext4 precious"),
        (("mkfs.ext4", "-q"), "ext4"),
        (("mkfs.btrfs", "-q", "-L", "data"), "btrfs data"),
        (("mkswap", "-L", "raykiln"), "swap raykiln"),
        (PARTITION, "dos"),
    ],
)
def test_a_disk_that_holds_something_else_is_left_alone(
    new_disk: NewDisk, by_somebody_else: tuple[str, ...], words: str
) -> None:
    free, taken = new_disk(), new_disk()
    ran(*by_somebody_else, str(taken))
    before = (free.read_bytes(), taken.read_bytes())

    with pytest.raises(DiskError, match=f"^{taken} is left alone, it holds .*: {words}$"):
        make_file_system([free, taken])

    assert (free.read_bytes(), taken.read_bytes()) == before


def test_a_disk_in_use_is_left_alone(new_disk: NewDisk, tmp_path: Path) -> None:
    made = make_file_system([new_disk()])

    with mounted(made, tmp_path / "store") as store:
        (store / "spilled").write_text("here")
        with pytest.raises(DiskError, match=r"^mkfs\.ext4: /dev/\S+ is mounted"):
            make_file_system(made.devices)
        assert (store / "spilled").read_text() == "here"


def test_disks_are_found_once_and_without_their_partitions(tmp_path: Path) -> None:
    for name in ("nvme1n1", "nvme1n1p1", "nvme2n1", "nvme0n1"):
        (tmp_path / name).touch()
    links = tmp_path / "by-id"
    links.mkdir()
    for name, target in (
        (f"{LINK}0A", "nvme2n1"),
        (f"{LINK}0A-ns-1", "nvme2n1"),
        (f"{LINK}0A_1", "nvme2n1"),
        (f"{LINK}0B", "nvme1n1"),
        (f"{LINK}0B-part1", "nvme1n1p1"),
        ("nvme-Amazon_Elastic_Block_Store_vol0c", "nvme0n1"),
    ):
        (links / name).symlink_to(f"../{target}")

    assert find_disks(links) == (tmp_path / "nvme1n1", tmp_path / "nvme2n1")


def test_an_instance_without_disks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="this instance has no NVMe instance store"):
        make_file_system(find_disks(tmp_path / "by-id"))
