"""A child that has something to remove is given the time to, however its command is ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from common.waiting import Seen, SystemClock, wait_for

# Removes something for longer than subprocess.run waits for a child after Ctrl-C (0.25 s).
CHILD = """
import pathlib, signal, sys, time
came = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: came.append(number))
pathlib.Path(sys.argv[1]).touch()
while not came:
    time.sleep(0.02)
time.sleep(1.0)
print("removed", flush=True)
sys.exit(7)
"""
COMMAND = """
import sys
from commands.children import patiently
sys.exit(patiently([sys.executable, "-c", sys.argv[1], sys.argv[2]]))
"""


@pytest.mark.parametrize(
    ("number", "whom"),
    [
        (signal.SIGINT, "all"),  # as a terminal does
        (signal.SIGTERM, "the command"),
        (signal.SIGHUP, "the command"),
    ],
)
def test_a_child_ends_in_order_and_its_code_is_returned(
    number: signal.Signals, whom: str, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, CHILD, str(ready)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:

        def look() -> Seen[bool]:
            return Seen(ready.exists() or None, "not there")

        wait_for("the child", look, clock=SystemClock(), seconds=120.0, every=0.05)
        if whom == "all":
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        said, _ = process.communicate(timeout=120)

    assert (said, process.returncode) == ("removed\n", 7)


def test_probes_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from commands import children, probe

    ran = list[list[str]]()

    def patiently(command: list[str]) -> int:
        ran.append(command[1:])
        return 130

    monkeypatch.setattr(children, "patiently", patiently)

    assert probe.ask(["--region", "us-east-1"]) == 130
    assert ran == [["-m", "tests.probes", "--region", "us-east-1"]]
