"""The disks of machines, as real loop devices."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud import disks
from localcloud.processes import run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for loop devices")
LINK = "nvme-Amazon_EC2_NVMe_Instance_Storage_AWS0000000000000001"


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Path]:
    """A folder of machines behind a link, none of which leaves a loop device."""
    folder, link = tmp_path / "a folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    yield link
    disks.detach_all(link)
    assert attached(link) == []


def attached(folder: Path) -> list[str]:
    """Return the files below a folder that are loop devices."""
    listed = run("losetup", "--list", "--noheadings", "--output", "BACK-FILE").splitlines()
    return sorted(file for file in listed if file.startswith(str(folder.resolve())))


def test_a_machine_binds_its_disks_and_the_links_to_them(machines: Path) -> None:
    links, first, second = disks.attach(machines / "i-1", 2, 118)

    source, target = links.split(":")
    assert target == "/dev/disk/by-id"
    assert Path(source, LINK).readlink() == Path("../../nvme1n1")
    assert first.endswith(":/dev/nvme1n1")
    device, target = second.split(":")
    assert target == "/dev/nvme2n1"
    assert int(run("blockdev", "--getsize64", device)) == 118_000_000_000


def test_a_machine_without_disks_binds_nothing(machines: Path) -> None:
    assert disks.attach(machines / "i-1", 0, 0) == ()
    assert not (machines / "i-1").exists()


def test_a_machine_that_starts_again_has_empty_disks(machines: Path) -> None:
    disk = machines / "i-1"
    _, first = disks.attach(disk, 1, 1)
    Path(first.split(":")[0]).write_bytes(b"mine")

    disks.detach(disk)
    assert attached(machines) == []
    _, again = disks.attach(disk, 1, 1)

    with Path(again.split(":")[0]).open("rb") as device:
        assert device.read(4) == bytes(4)


def test_a_boot_after_a_crash_begins_with_new_disks(machines: Path) -> None:
    disks.attach(machines / "i-1", 1, 1)

    disks.attach(machines / "i-1", 1, 1)

    assert len(attached(machines)) == 1


def test_what_a_crash_leaves_is_removed_and_others_are_kept(machines: Path) -> None:
    disks.attach(machines / "here" / "i-1", 2, 1)
    disks.attach(machines / "there" / "i-2", 1, 1)

    disks.detach_all(machines / "here")

    (left,) = attached(machines)
    assert left.startswith(str(machines.resolve() / "there" / "i-2"))
