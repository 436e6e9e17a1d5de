"""The autoscaler's process is started again: how soon, and how often."""

from types import SimpleNamespace
from typing import Any

import pytest

from node.ray.autoscaler_process import AutoscalerProcess
from tests.unit.node.fakes import FakeClock


class Autoscaler:
    """A head's autoscaler that is looked at once a second."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.process = AutoscalerProcess(self.begin, self.clock)
        self.starts: list[float] = []
        self.running: Any = None
        self.process.start()

    def begin(self) -> Any:
        self.starts.append(self.clock())
        self.running = SimpleNamespace(returncode=None)
        self.running.poll = lambda one=self.running: one.returncode
        self.running.kill = self.end
        return self.running

    def end(self, code: int = -9) -> None:
        self.running.returncode = code

    def run(self, seconds: int, *, ends_at_once: bool = False) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.process.step()
            if ends_at_once and self.running.returncode is None:
                self.end(1)

    @property
    def pauses(self) -> list[float]:
        return [after - before for before, after in zip(self.starts, self.starts[1:], strict=False)]


@pytest.fixture
def autoscaler() -> Autoscaler:
    return Autoscaler()


def test_one_that_runs_is_left_alone(autoscaler: Autoscaler) -> None:
    autoscaler.run(3600)

    assert len(autoscaler.starts) == 1


@pytest.mark.parametrize("code", [-9, -15, 0, 1])
def test_one_that_ended_is_started_again_within_seconds(autoscaler: Autoscaler, code: int) -> None:
    autoscaler.run(600)
    autoscaler.end(code)
    autoscaler.run(3)

    assert len(autoscaler.starts) == 2
    assert autoscaler.running.returncode is None


def test_one_that_ends_at_each_start_is_started_at_most_once_a_minute(
    autoscaler: Autoscaler,
) -> None:
    autoscaler.end(1)
    autoscaler.run(600, ends_at_once=True)

    assert autoscaler.pauses[:3] == [2.0, 3.0, 5.0]
    assert autoscaler.pauses[-1] == 61.0
    assert len(autoscaler.starts) < 17


def test_one_that_ran_for_minutes_is_started_soon_again(autoscaler: Autoscaler) -> None:
    autoscaler.end(1)
    autoscaler.run(600, ends_at_once=True)
    autoscaler.run(400)
    autoscaler.end()
    before = len(autoscaler.starts)

    autoscaler.run(3)

    assert len(autoscaler.starts) == before + 1


def test_one_that_is_to_be_killed_is_started_again(
    autoscaler: Autoscaler, capfd: pytest.CaptureFixture[str]
) -> None:
    autoscaler.run(600)

    autoscaler.process.kill()
    ended = autoscaler.running.returncode
    autoscaler.run(3)

    assert (ended, autoscaler.running.returncode, len(autoscaler.starts)) == (-9, None, 2)
    assert capfd.readouterr().err.splitlines() == [
        "the autoscaler completes no round; it is killed",
        "the autoscaler has ended: -9; it is started again in 1 s",
    ]


def test_killing_one_that_has_ended_changes_nothing(autoscaler: Autoscaler) -> None:
    autoscaler.end(1)
    autoscaler.process.kill()
    assert autoscaler.running.returncode == 1

    autoscaler.process.forget()
    autoscaler.process.kill()

    assert len(autoscaler.starts) == 1


def test_one_that_was_killed_with_ray_is_not_started_again(autoscaler: Autoscaler) -> None:
    autoscaler.process.forget()
    autoscaler.end()
    autoscaler.run(600)

    assert len(autoscaler.starts) == 1
