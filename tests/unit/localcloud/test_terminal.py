"""A command on a terminal: it learns that its terminal has gone."""

import signal
from collections.abc import Iterator
from pathlib import Path
from select import select

import pytest

from localcloud.terminal import Terminal

HUNG_UP = "trap 'touch {0}; exit' HUP; echo ready; while :; do sleep 0.05; done"


@pytest.fixture(params=["as usual", "by nohup"])
def started(request: pytest.FixtureRequest) -> Iterator[None]:
    """How we were started: nohup(1) has us, and what we start, ignore SIGHUP."""
    handler = signal.SIG_IGN if request.param == "by nohup" else signal.SIG_DFL
    before = signal.signal(signal.SIGHUP, handler)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("started")
def test_a_command_is_told_that_its_terminal_has_gone(tmp_path: Path) -> None:
    told = tmp_path / "told"
    terminal = Terminal(["sh", "-c", HUNG_UP.format(told)])
    said = b""
    while b"ready" not in said:
        assert select([terminal], [], [], 60)[0]
        said += terminal.read()

    terminal.close()

    assert told.exists()
