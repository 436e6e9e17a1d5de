"""The kernel's deadline, with processes that are stopped for real."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

PROGRAM = """
import sys, time
from node.head.kill_timer import KillTimer
timer = KillTimer()
for line in sys.stdin:
    after = float(line)
    timer.set(None if after < 0 else time.clock_gettime(time.CLOCK_BOOTTIME) + after)
    print("set", flush=True)
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """A process that sets its timer to a number of seconds from now."""
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        yield child
        child.kill()


def set_timer(process: subprocess.Popen[str], seconds: float) -> None:
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{seconds}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "set\n"


def test_a_stopped_process_dies_at_its_deadline(process: subprocess.Popen[str]) -> None:
    set_timer(process, 0.4)
    begun = time.monotonic()
    process.send_signal(signal.SIGSTOP)

    assert process.wait(timeout=5) == -signal.SIGKILL
    assert time.monotonic() - begun > 0.2


def test_a_deadline_can_be_moved_and_cancelled(process: subprocess.Popen[str]) -> None:
    set_timer(process, 0.3)
    set_timer(process, 30)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.6)
    set_timer(process, 0.3)
    set_timer(process, -1)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.6)


def test_a_past_deadline_kills_at_once(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("0\n")
    process.stdin.flush()

    assert process.wait(timeout=5) == -signal.SIGKILL
