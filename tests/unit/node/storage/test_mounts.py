"""Mount units that are made at boot, as systemd reads them."""

import subprocess
from pathlib import Path

import pytest

from node.storage.mounts import (
    Mount,
    MountError,
    efs_mount,
    require,
    run,
    start,
    unit_of,
    write_units,
)
from tests.unit.node.fakes import RecordedLog

EFS = efs_mount("fs-0123456789abcdef0", "/data/sets", region="eu-central-1", domain="amazonaws.com")
STORE = Mount("/dev/nvme1n1", "/mnt/instance-store", "ext4", "noatime,nodev,nosuid")


class Systemd:
    """The commands, of which some fail for a while."""

    def __init__(self, failures: int = 0, journal: str = "") -> None:
        self.failures, self.journal = failures, journal
        self.commands: list[tuple[str, ...]] = []

    def __call__(self, *command: str) -> str:
        self.commands.append(command)
        if command[0] == "systemd-escape":
            return run(*command)
        if command[0] == "journalctl":
            return self.journal
        if command[:2] == ("systemctl", "start") and self.failures:
            self.failures -= 1
            raise MountError("systemctl start: Job failed.")
        return ""


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_efs_is_mounted_by_its_name_with_the_options_that_aws_recommends() -> None:
    """https://docs.aws.amazon.com/efs/latest/ug/mounting-fs-nfs-mount-settings.html"""
    assert EFS.what == "fs-0123456789abcdef0.efs.eu-central-1.amazonaws.com:/"
    assert EFS.kind == "nfs4"
    assert set(EFS.options.split(",")) == {
        *("nfsvers=4.1", "rsize=1048576", "wsize=1048576", "hard", "timeo=600", "retrans=2"),
        *("noresvport", "_netdev"),
    }


def test_units_are_called_as_systemd_wants_them() -> None:
    assert unit_of("/mnt/instance-store") == r"mnt-instance\x2dstore.mount"


def test_systemd_accepts_the_units_and_what_ray_s_unit_requires(tmp_path: Path) -> None:
    units = tmp_path / "run/systemd/system"
    names = write_units((STORE, EFS), units, Systemd())
    require((STORE.where, EFS.where), "ray-worker", units, Systemd())
    (units / "ray-worker.service").write_text("[Service]\nExecStart=/bin/true\n")
    command = ["systemd-analyze", "verify", "--man=no"]

    done = subprocess.run(
        [*command, *(str(units / name) for name in (*names, "ray-worker.service"))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert names == (r"mnt-instance\x2dstore.mount", "data-sets.mount")
    assert done.stdout + done.stderr == ""
    assert (units / "ray-worker.service.d/storage.conf").read_text().splitlines() == [
        "[Unit]",
        "RequiresMountsFor=/mnt/instance-store /data/sets",
    ]


def test_systemd_notices_a_unit_that_is_called_otherwise(tmp_path: Path) -> None:
    """What the test above proves depends on it."""
    unit = tmp_path / "other.mount"
    unit.write_text(EFS.unit())

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "Where= setting doesn't match unit name" in done.stderr


def test_systemd_reads_the_units_before_one_is_started(tmp_path: Path) -> None:
    systemd = Systemd()

    require([STORE.where], "ray-worker", tmp_path / "run/systemd/system", systemd)

    assert systemd.commands[-1] == ("systemctl", "daemon-reload")


def test_a_mount_is_tried_again_for_four_minutes() -> None:
    systemd, time, log = Systemd(failures=3), Time(), RecordedLog()

    start("shared.mount", log, run=systemd, clock=time, sleep=time.sleep)

    start_it = ("systemctl", "start", "shared.mount")
    again = [
        ("journalctl", "--unit", "shared.mount", "--output=cat", "--lines=3"),
        ("systemctl", "reset-failed", "shared.mount"),
    ]
    assert systemd.commands == [*[start_it, *again] * 3, start_it]


def test_a_mount_that_never_works_fails_with_what_mount_said() -> None:
    time = Time()
    systemd = Systemd(failures=1_000, journal="mount: unknown filesystem type 'nfs4'.")

    with pytest.raises(MountError, match=r"shared\.mount: mount: unknown filesystem type 'nfs4'"):
        start("shared.mount", RecordedLog(), run=systemd, clock=time, sleep=time.sleep)

    assert 240 <= time.now <= 245
