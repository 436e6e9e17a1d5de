"""Packages that a person adds are installed by apt; a wrong one is named before that."""

import os
import subprocess
from pathlib import Path

import pytest

from bake.files import PROVISIONERS
from common.checkout import REPOSITORY

FOLDER = REPOSITORY / PROVISIONERS
TOOLS = {
    "apt-get": 'echo "apt-get $*" >>"${DONE}"; [ "${FAILS:-}" != "${*##* }" ]',
    "apt-cache": '[ "$2" != nonesuch ]',
    "dpkg-query": '[ "$3" = virtual ] || printf "ii "',
}


class Machine:
    """A build instance whose tools record what is asked of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "additions").mkdir()
        for name, script in TOOLS.items():
            self.tool(name, script)

    def tool(self, name: str, script: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def install(self, *packages: str, fails: str = "") -> "subprocess.CompletedProcess[str]":
        (self.folder / "additions/packages.txt").write_text("".join(f"{p}\n" for p in packages))
        return subprocess.run(
            ["bash", str(FOLDER / "74-packages.sh")],
            env={
                "PATH": f"{self.folder}/bin:{os.environ['PATH'] if self.has_apt else '/nowhere'}",
                "PROVISIONER_LIB": str(FOLDER / "lib.sh"),
                "UPLOADS": str(self.folder),
                "DONE": str(self.folder / "done"),
                "FAILS": fails,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    has_apt = True

    @property
    def done(self) -> list[str]:
        path = self.folder / "done"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.partition("Timeout=300 ")[2] for line in lines]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_packages_are_installed_from_archives_that_must_all_answer(machine: Machine) -> None:
    done = machine.install("libgl1", "ffmpeg")

    assert done.returncode == 0, done.stderr
    assert machine.done == [
        "-o APT::Update::Error-Mode=any update",
        "install --yes --no-install-recommends libgl1 ffmpeg",
    ]


def test_without_packages_nothing_is_asked(machine: Machine) -> None:
    assert machine.install().returncode == 0
    assert machine.done == []


def test_a_package_that_does_not_exist_is_named_before_any_is_installed(machine: Machine) -> None:
    done = machine.install("libgl1", "nonesuch")

    assert done.returncode == 1
    assert "FAILED packages: the base's archives have no nonesuch" in done.stderr
    assert len(machine.done) == 1


def test_a_package_that_is_virtual_is_named(machine: Machine) -> None:
    assert "virtual is not installed" in machine.install("virtual").stderr


def test_archives_that_cannot_be_reached_are_said(machine: Machine) -> None:
    done = machine.install("libgl1", fails="update")

    assert done.returncode == 1
    assert "the base's package archives cannot be reached" in done.stderr


def test_a_base_without_apt_is_refused(machine: Machine) -> None:
    for name in ("bash", "sed"):
        (machine.folder / "bin" / name).symlink_to(f"/usr/bin/{name}")
    (machine.folder / "bin/apt-get").unlink()
    machine.has_apt = False

    done = machine.install("libgl1")

    assert done.returncode == 1
    assert "the base image has no apt-get" in done.stderr
