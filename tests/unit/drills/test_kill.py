"""Processes that a drill sends a signal: what is about to start is waited for."""

import subprocess
import sys
from typing import Any

import pytest

from deploy.cluster.run_command import CommandResult
from drills.kit import cluster as module
from drills.kit.cluster import DrillFailed
from tests.unit.drills.test_run import a_cluster

# A process that has the kernel's name {name} after half a second.
LATE = "import time; time.sleep(0.5); open('/proc/self/comm', 'w').write('{name}'); time.sleep(60)"


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts run on this machine."""

    def run(_clients: object, _instance: str, script: str, **_: Any) -> CommandResult:
        ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        return CommandResult(
            "Success" if ran.returncode == 0 else "Failed", ran.returncode, ran.stdout, ran.stderr
        )

    monkeypatch.setattr(module, "run_command", run)


def test_a_process_that_starts_late_is_killed() -> None:
    name = "raykiln-late"
    with subprocess.Popen([sys.executable, "-c", LATE.format(name=name)]) as process:
        cluster = a_cluster()

        cluster.kill("i-1", name)

        assert process.wait(5) == -9
        assert cluster.faults == ["SIGKILL to raykiln-late on i-1"]


def test_one_that_comes_and_goes_is_killed_in_the_moment_when_all_run() -> None:
    first, second = "raykiln-first", "raykiln-second"
    short = LATE.format(name=first).replace("60", "0.3")
    later = LATE.format(name=second).replace("0.5", "1.5")
    again = f"for _ in range(9): subprocess.run([sys.executable, '-c', {short!r}])"
    restarted = f"import subprocess, sys\n{again}"
    with (
        subprocess.Popen([sys.executable, "-c", restarted]) as service,
        subprocess.Popen([sys.executable, "-c", later]) as process,
    ):
        a_cluster().kill("i-1", first, second)

        assert process.wait(5) == -9
        service.kill()


def test_one_that_never_starts_fails_the_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SIGNAL", module.SIGNAL.replace("45", "0.3"))

    with pytest.raises(DrillFailed, match=r"raykiln-never.*exited with 124"):
        a_cluster().kill("i-1", "raykiln-never")
