"""What a node mounts, by its node.yaml."""

import os
import pwd
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from node.storage import main
from node.storage.disks import FileSystem
from node.storage.mounts import Mount
from tests.unit.node.fakes import RecordedLog

METADATA = {
    "meta-data/placement/region": "eu-central-1",
    "meta-data/services/domain": "amazonaws.com",
}


class Machine:
    """A machine's disks and mounts."""

    def __init__(self) -> None:
        self.mounts: tuple[Mount, ...] = ()
        self.required: dict[str, list[str]] = {}
        self.started: list[str] = []
        self.given: list[Path] = []
        self.made = 0

    def make_file_system(self, devices: tuple[Path, ...]) -> FileSystem:
        self.made += 1
        return FileSystem("ext4", devices)

    def write_units(self, mounts: list[Mount]) -> tuple[str, ...]:
        self.mounts = tuple(mounts)
        return tuple(mount.where for mount in mounts)

    def require(self, places: list[str], service: str) -> None:
        self.required[service] = places


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    here = Machine()
    parts: dict[str, Any] = {
        "find_disks": lambda: (Path("/dev/nvme1n1"),),
        "make_file_system": here.make_file_system,
        "write_units": here.write_units,
        "require": here.require,
        "start": lambda unit, log: here.started.append(unit),
        "give_to_ray": here.given.append,
        "metadata_service": lambda: METADATA.get,
        "INSTANCE_STORE": tmp_path / "not-mounted",
    }
    for name, part in parts.items():
        monkeypatch.setattr(main, name, part)
    return here


def test_the_instance_store_and_every_file_system_are_mounted(machine: Machine) -> None:
    efs = "fs-0123456789abcdef0:/shared,fs-01234567:/data/sets"

    main.mount_all({"role": "worker", "instance_store": "spill", "efs": efs}, RecordedLog())

    store, shared, data = machine.mounts
    assert machine.required == {"ray-worker": [store.where, "/shared", "/data/sets"]}
    assert (store.what, store.kind) == ("/dev/nvme1n1", "ext4")
    assert shared.what == "fs-0123456789abcdef0.efs.eu-central-1.amazonaws.com:/"
    assert (shared.where, data.where) == ("/shared", "/data/sets")
    assert machine.started == [store.where, "/shared", "/data/sets"]
    assert machine.given == [Path(store.where)]


def test_an_instance_store_that_is_mounted_stays_as_it_is(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "INSTANCE_STORE", Path("/"))

    main.mount_all({"role": "worker", "instance_store": "spill"}, RecordedLog())

    assert (machine.made, machine.mounts) == (0, ())
    assert machine.required == {"ray-worker": ["/"]}
    # It may have been killed before it came to this.
    assert machine.given == [Path("/")]


def test_a_head_mounts_efs_alone(machine: Machine) -> None:
    main.mount_all({"role": "head", "efs": "fs-01234567:/shared"}, RecordedLog())

    assert machine.required == {"ray-head": ["/shared"]}
    assert machine.given == []


def test_rays_folder_is_that_of_its_user_and_its_group_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = {"ray": SimpleNamespace(pw_uid=64821, pw_gid=64823)}
    owned: list[tuple[Path, int, int]] = []
    monkeypatch.setattr(pwd, "getpwnam", users.__getitem__)
    monkeypatch.setattr(os, "chown", lambda *who: owned.append(who))

    main.give_to_ray(tmp_path)

    assert owned == [(tmp_path, 64821, 64823)]
    assert tmp_path.stat().st_mode & 0o777 == 0o750


def test_what_fails_is_in_the_journal_and_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node_yaml = tmp_path / "node.yaml"
    node_yaml.write_text("role: worker\ninstance_store: spill\n")
    monkeypatch.setattr(main, "NODE_YAML", node_yaml)
    monkeypatch.setattr(main, "find_disks", lambda: ())
    log = RecordedLog()
    monkeypatch.setattr(main, "EventLog", lambda file: log)

    assert main.main() == 1
    ((event, fields),) = log.lines
    assert event == "Ray does not start without its file systems"
    assert str(fields["why"]) == "this instance has no NVMe instance store"
