"""The loop around the guard: what systemd is told, and how a signal ends it."""

import os
import signal
from collections.abc import Iterator

import pytest

from node.head.loop import StopRequest, run
from node.head.phases import UNFIT, Phase
from tests.unit.node.fakes import FakeClock, FakeHead, MemoryTable

ENDED = "WATCHDOG=1\nSTATUS=ended, epoch None"


@pytest.fixture
def head() -> FakeHead:
    return FakeHead(MemoryTable(), FakeClock())


class Systemd:
    """What it is told, and the pauses between; after ``seconds`` it asks the guard to stop."""

    def __init__(self, head: FakeHead, seconds: float = float("inf")) -> None:
        self.head, self.seconds = head, seconds
        self.stop = StopRequest()
        self.told: list[str] = []
        self.pauses: list[float] = []

    def notify(self, words: str) -> None:
        self.told.append(words)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.head.clock.advance(seconds)
        if sum(self.pauses) >= self.seconds:
            self.stop.made = True

    def run(self) -> int:
        return run(self.head.guard, self.stop, notify=self.notify, sleep=self.sleep)


def test_systemd_is_told_once_that_it_is_ready_and_then_fed_with_what_it_does(
    head: FakeHead,
) -> None:
    systemd = Systemd(head, seconds=10)

    assert systemd.run() == 0

    assert systemd.told.count("READY=1") == 1
    assert list(dict.fromkeys(systemd.told)) == [
        "READY=1",
        "WATCHDOG=1\nSTATUS=standby, epoch None",
        "WATCHDOG=1\nSTATUS=tagging, epoch 1",
        "WATCHDOG=1\nSTATUS=starting, epoch 1",
        "WATCHDOG=1\nSTATUS=leading, epoch 1",
        ENDED,
    ]
    assert set(systemd.pauses) == {0.25}
    assert sum(systemd.pauses) == 10.25, "it ends in the step after it was asked"


def test_a_head_that_is_not_prepared_is_not_ready(head: FakeHead) -> None:
    head.ray.warmed = False
    systemd = Systemd(head, seconds=5)

    systemd.run()

    assert set(systemd.told) == {"WATCHDOG=1\nSTATUS=preparing, epoch None", ENDED}


def test_what_it_ends_with_is_the_exit_code(head: FakeHead) -> None:
    head.ray._boot = 1e9
    systemd = Systemd(head)

    assert systemd.run() == UNFIT
    assert head.guard.phase is Phase.ENDED


def test_it_is_asked_to_stop_once(head: FakeHead) -> None:
    systemd = Systemd(head, seconds=10)
    head.ray.stubborn = True
    killed: list[bool] = []
    kill = head.ray.kill

    def third_time() -> bool:
        killed.append(True)
        head.ray.stubborn = len(killed) < 3
        return kill()

    head.ray.kill = third_time  # type: ignore[method-assign]

    systemd.run()

    assert len(killed) == 3
    assert head.log.events.count("stopping Ray") == 1


@pytest.fixture
def handlers() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("handlers")
def test_a_request_is_made_by_sigterm_and_not_before() -> None:
    stop = StopRequest().listen()
    assert not stop.made

    os.kill(os.getpid(), signal.SIGTERM)

    assert stop.made
