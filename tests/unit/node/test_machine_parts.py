"""What touches the machine: real processes, files and sockets."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from node.head.phases import Status
from node.head.web import serve_leader
from node.log import EventLog
from node.notify import notify
from node.worker.hosts import MARK, point_name
from node.worker.unit import Raylet, SystemdWorkerUnit

NAME = "ray-head.test.ray.internal"


def test_a_name_is_added_to_the_hosts_file_and_the_rest_is_kept(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")

    assert point_name(NAME, "10.0.0.1", hosts)
    assert hosts.read_text() == f"127.0.0.1 localhost\n10.0.0.1        {NAME} {MARK}\n"


def test_a_name_moves_without_the_file_ever_changing_its_length(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    point_name(NAME, "10.0.0.1", hosts)
    length, inode = hosts.stat().st_size, hosts.stat().st_ino

    assert point_name(NAME, "100.100.100.100", hosts)
    assert (hosts.stat().st_size, hosts.stat().st_ino) == (length, inode)
    assert "10.0.0.1 " not in hosts.read_text()


def test_a_name_that_already_resolves_there_is_not_written_again(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost")
    point_name(NAME, "10.0.0.1", hosts)

    assert not point_name(NAME, "10.0.0.1", hosts)


def test_systemd_is_notified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)

        notify("READY=1")

        assert systemd.recv(100) == b"READY=1"


def test_without_systemd_nothing_is_notified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    notify("READY=1")


def test_a_line_of_the_log_can_be_parsed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = EventLog(sys.stderr, tmp_path / "log")

    log("lease lost", level=4, epoch=3, why='he said "no"\nand left', waited=1.5)

    line = r'event="lease lost" epoch=3 why="he said \"no\"\nand left" waited=1.500'
    assert capsys.readouterr().err == f"<4>{line}\n"
    assert (tmp_path / "log").read_text().endswith(f"+00:00 {line}\n")


def test_a_bootstrap_log_that_cannot_be_written_does_not_stop_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    EventLog(sys.stderr, tmp_path / "missing" / "log")("phase")

    assert capsys.readouterr().err.endswith("<6>event=phase\n")


@pytest.mark.parametrize("leading", [True, False])
def test_health_checks_learn_whether_this_head_leads(leading: bool) -> None:
    status = Status("leading", True, 3, "i-0a", "10.0.0.1", 0)
    server = serve_leader(lambda: leading, lambda: status, port=0)
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        assert http_code(f"{base}/leader") == (200 if leading else 503)
        assert http_code(f"{base}/other") == 404
        with urllib.request.urlopen(f"{base}/status") as answer:  # noqa: S310
            assert b'"epoch": 3' in answer.read()
    finally:
        server.shutdown()
        server.server_close()


def test_the_status_page_has_all_that_the_guard_says() -> None:
    status = Status("standby", False, None, "i-0b", "10.0.0.2", 2, "i-0c")
    server = serve_leader(lambda: False, lambda: status, port=0)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/status") as answer:
            assert answer.headers["Content-Type"] == "application/json"
            assert json.loads(answer.read()) == {
                "phase": "standby",
                "healthy": False,
                "epoch": None,
                "leader": "i-0b",
                "leader_address": "10.0.0.2",
                "failures": 2,
                "successor": "i-0c",
                "autoscaler": None,
            }
    finally:
        server.shutdown()
        server.server_close()


def http_code(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def a_process(proc: Path, pid: int, unit: str, name: str, *arguments: str) -> None:
    directory = proc / str(pid)
    directory.mkdir()
    (directory / "cgroup").write_text(f"3:cpu:/\n1:name=systemd:/system.slice/{unit}\n0::/\n")
    (directory / "comm").write_text(f"{name}\n")
    (directory / "cmdline").write_text("\0".join(arguments) + "\0")


def test_the_raylet_of_the_unit_is_found_and_no_other(tmp_path: Path) -> None:
    a_process(tmp_path, 7, "ray-head.service", "raylet", "raylet", f"--node_id={'aa' * 28}")
    a_process(tmp_path, 8, "ray-worker.service", "python", "python", "-m", "node.worker.main")
    a_process(tmp_path, 9, "ray-worker.service", "raylet", "raylet", f"--node_id={'bb' * 28}")

    assert SystemdWorkerUnit(proc=tmp_path).raylet() == Raylet(9, b"\xbb" * 28)


def test_all_of_the_unit_is_killed_and_nothing_else(tmp_path: Path) -> None:
    units = ("ray-worker.service", "ray-worker.service", "ray-head.service")
    with ExitStack() as ended:
        ours, gone, other = (
            ended.enter_context(subprocess.Popen(["/bin/sleep", "600"])) for _ in units
        )
        ended.callback(other.kill)
        for process, unit in zip((ours, gone, other), units, strict=True):
            a_process(tmp_path, process.pid, unit, "sleep", "sleep", "600")
        gone.kill()
        gone.wait()

        SystemdWorkerUnit(proc=tmp_path).kill()

        assert ours.wait(10) == -9
        assert other.poll() is None


def test_a_unit_without_a_raylet_has_none(tmp_path: Path) -> None:
    a_process(tmp_path, 8, "ray-worker.service", "python", "python", "-m", "node.worker.main")

    assert SystemdWorkerUnit(proc=tmp_path).raylet() is None


FAMILY = """
import subprocess, sys, time
from node.ray.processes import become_subreaper, descendants, kill_descendants
become_subreaper()
# A child that starts a daemon in its own session and exits, as Ray's do.
daemon = "import os, time; os.setsid(); time.sleep(600)"
start = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {daemon!r}])"
subprocess.run([sys.executable, "-c", start], check=True)
print(len(descendants()), flush=True)
deadline = time.monotonic() + 60
while not kill_descendants() and time.monotonic() < deadline:
    pass
print(len(descendants()), flush=True)
"""


def test_daemons_in_their_own_session_are_killed_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAMILY],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )

    assert done.stdout.split() == ["1", "0"]


DIES = """
import time
from node.ray.processes import die_with_parent
die_with_parent()
print("asked", flush=True)
time.sleep(600)
"""
PARENT = f"""
import subprocess, sys, os
child = subprocess.Popen([sys.executable, "-c", {DIES!r}], stdout=subprocess.PIPE)
said = child.stdout.readline().decode().strip()
print(child.pid, said, flush=True)
os._exit(0)
"""


def test_a_child_dies_with_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )

    pid, said = done.stdout.split()
    assert said == "asked"
    assert eventually(lambda: not is_running(int(pid)))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def eventually(is_so: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_so():
            return True
        os.sched_yield()
    return False
