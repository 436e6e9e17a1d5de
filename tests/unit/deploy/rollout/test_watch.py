"""Watching the alarms after a rollout: which end it, and which may be what it mends."""

from collections.abc import Callable
from typing import Any

import pytest

from common.errors import Unhealthy
from common.progress import Silent
from deploy.cluster.state import Alarm
from deploy.rollout import watch as watch_module
from deploy.rollout.watch import Watch
from tests.unit.deploy.builders import an_environment
from tests.unit.localcloud.fakes import FakeClock

Quiet = Callable[..., str]


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Quiet:
    """Watch for a minute an alarm that rings between these seconds."""

    def watched(*spans: tuple[float, float]) -> str:
        clock = FakeClock()
        began = clock.now()

        def alarms(*_: Any) -> tuple[Alarm, ...]:
            at = clock.now() - began
            rings = any(first <= at < last for first, last in spans)
            return (Alarm("raykiln-dev-no-leader", "ALARM" if rings else "OK", "a test"),)

        monkeypatch.setattr(watch_module, "find_alarms", alarms)
        clients: Any = None
        return Watch(clients, an_environment(), clock, Silent()).quiet(60.0)

    return watched


def test_a_quiet_minute_is_all_that_is_asked_for(quiet: Quiet) -> None:
    assert quiet() == "1 are quiet"


def test_an_alarm_that_begins_to_ring_ends_it(quiet: Quiet) -> None:
    with pytest.raises(Unhealthy, match="raykiln-dev-no-leader: a test"):
        quiet((20, 30))


def test_one_that_rang_before_has_time_to_end(quiet: Quiet) -> None:
    assert quiet((0, 40)) == "1 are quiet"


@pytest.mark.parametrize("spans", [[(0, 100)], [(0, 20), (40, 50)]])
def test_one_that_does_not_end_or_comes_back_ends_it(
    quiet: Quiet, spans: list[tuple[float, float]]
) -> None:
    with pytest.raises(Unhealthy):
        quiet(*spans)
