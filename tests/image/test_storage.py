"""What a node mounts before Ray starts: nothing is mounted without user data, and all could be."""

from typing import Any

USED = ("blkid", "mkfs.ext4", "systemctl", "systemd-escape", "journalctl", "mount")


def test_the_commands_of_the_storage_are_there(machine: Any) -> None:
    missing = [name for name in USED if machine.run("command -v %s", name).rc]

    assert missing == []


def test_a_node_without_storage_skips_the_unit(machine: Any) -> None:
    """ExecCondition= needs this very file."""
    assert machine.file("/usr/bin/grep").exists
    assert machine.run("findmnt /mnt/instance-store").rc


def test_ray_needs_its_storage(machine: Any) -> None:
    for unit in ("ray-head", "ray-worker"):
        required = machine.check_output("systemctl show --value --property Requires %s", unit)
        ordered = machine.check_output("systemctl show --value --property After %s", unit)
        assert "ray-storage.service" in required.split()
        assert "ray-storage.service" in ordered.split()
