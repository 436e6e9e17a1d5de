"""What changes packages in the background is stopped and waited for, before a bake starts."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bake.files import PROVISIONERS
from common.checkout import REPOSITORY

FOLDER = REPOSITORY / PROVISIONERS
# Holds the lock as apt does, until its standard input is closed or for so many seconds.
HOLD = """
import fcntl, select, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
select.select([sys.stdin], [], [], float(sys.argv[2]))
"""
TOOLS = {
    "systemctl": """
        case "$1" in
          show)
            case "$5" in
              *.timer) echo active ;;
              apt-daily.service) echo activating ;;
              *) echo inactive ;;
            esac ;;
          --quiet) [ "$3" = apt-daily.service ] ;;
          *) echo "systemctl $*" >>"${DONE}" ;;
        esac""",
    "snap": 'echo "snap $*" >>"${DONE}"; [ "$1 $2" != "${FAILS}" ]',
    "python3": 'echo "python3 $2" >>"${DONE}"',
}


@contextmanager
def held(lock: Path, seconds: float) -> Iterator[int]:
    """Hold a lock in another process, and yield that process's id."""
    command = [sys.executable, "-c", HOLD, str(lock), str(seconds)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process.pid
        assert process.stdin
        process.stdin.close()


def waited(seconds: float, *locks: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", str(FOLDER / "package_locks.py"), str(seconds)]
    return subprocess.run(
        [*command, *map(str, locks)], capture_output=True, text=True, check=False, timeout=30
    )


def test_locks_that_are_free_or_absent_are_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()

    done = waited(0, tmp_path / "lock", tmp_path / "absent")

    assert (done.returncode, done.stderr) == (0, "")


def test_a_lock_that_is_still_held_names_its_holder(tmp_path: Path) -> None:
    free, lock = tmp_path / "free", tmp_path / "lock-frontend"
    free.touch()
    with held(lock, 60) as pid:
        done = waited(0, free, lock)

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"FAILED {lock} is held after 0 s by process {pid} of ")
    assert sys.executable in line


def test_a_lock_that_becomes_free_is_waited_for(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with held(lock, 1.5) as pid:
        done = waited(20, lock)
        assert pid

    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of commands that write down how they are called."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name, script in TOOLS.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


def run_provisioner(
    tools: Path, fails: str = ""
) -> tuple["subprocess.CompletedProcess[str]", list[str]]:
    """Run the provisioner with these tools in front of the machine's own."""
    uploads, done = tools.parent, tools.parent / "done"
    if not (uploads / "provisioners").exists():
        (uploads / "provisioners").symlink_to(FOLDER)
    environment = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PROVISIONER_LIB": str(FOLDER / "lib.sh"),
        "UPLOADS": str(uploads),
        "DONE": str(done),
        "FAILS": fails,
    }
    completed = subprocess.run(
        ["bash", str(FOLDER / "03-package-jobs.sh")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return completed, done.read_text().splitlines()


def test_timers_and_jobs_at_work_are_stopped_and_snaps_held_before_the_locks(tools: Path) -> None:
    completed, done = run_provisioner(tools)

    assert completed.returncode == 0, completed.stderr
    assert done == [
        "systemctl stop man-db.timer",
        "systemctl stop e2scrub_all.timer",
        "systemctl stop dpkg-db-backup.timer",
        "systemctl stop apt-daily.timer",
        "systemctl stop apt-daily.service",
        "systemctl reset-failed apt-daily.service",
        "systemctl stop apt-daily-upgrade.timer",
        "snap wait system seed.loaded",
        "snap refresh --hold",
        "snap watch --last=auto-refresh?",
        f"python3 {tools.parent}/provisioners/package_locks.py",
    ]


def test_snaps_that_are_never_seeded_fail_the_bake_and_say_so(tools: Path) -> None:
    completed, _ = run_provisioner(tools, fails="wait system")

    assert completed.returncode == 1
    assert "FAILED snapd has not seeded its snaps in 300 s" in completed.stderr


def test_how_the_last_refresh_of_snaps_ended_does_not_matter(tools: Path) -> None:
    completed, done = run_provisioner(tools, fails="watch --last=auto-refresh?")

    assert completed.returncode == 0, completed.stderr
    assert done[-1].endswith("package_locks.py")


def test_without_snapd_there_is_nothing_to_hold(tools: Path) -> None:
    (tools / "snap").unlink()

    completed, done = run_provisioner(tools)

    assert completed.returncode == 0, completed.stderr
    assert not [line for line in done if line.startswith("snap")]
