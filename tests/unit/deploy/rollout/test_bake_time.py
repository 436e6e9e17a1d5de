"""The bake time after a rollout: which alarms fail it, and which may be what it fixes."""

from collections.abc import Callable
from typing import Any

import pytest

from common.errors import Unhealthy
from common.progress import Silent
from deploy.cluster.alarms import Alarm
from deploy.rollout import bake_time
from deploy.rollout.bake_time import await_bake_time
from deploy.rollout.cluster_access import ClusterAccess
from tests.unit.deploy.builders import an_environment
from tests.unit.localcloud.fakes import FakeClock

Baked = Callable[..., str]


@pytest.fixture
def baked(monkeypatch: pytest.MonkeyPatch) -> Baked:
    """Wait for a minute with an alarm that is in ALARM between these seconds."""

    def waited(*spans: tuple[float, float]) -> str:
        clock = FakeClock()
        began = clock.now()

        def alarms(*_: Any) -> tuple[Alarm, ...]:
            at = clock.now() - began
            in_alarm = any(first <= at < last for first, last in spans)
            return (Alarm("raykiln-dev-no-leader", "ALARM" if in_alarm else "OK", "a test"),)

        monkeypatch.setattr(bake_time, "find_alarms", alarms)
        clients: Any = None
        access = ClusterAccess(clients, an_environment(), clock, Silent())
        return await_bake_time(access, 60.0)

    return waited


def test_a_minute_without_an_alarm_is_enough(baked: Baked) -> None:
    assert baked() == "none of 1 alarms in ALARM"


def test_an_alarm_that_goes_to_alarm_fails_it(baked: Baked) -> None:
    with pytest.raises(Unhealthy, match="raykiln-dev-no-leader: a test"):
        baked((20, 30))


def test_an_alarm_from_before_has_time_to_leave_alarm(baked: Baked) -> None:
    assert baked((0, 40)) == "none of 1 alarms in ALARM"


@pytest.mark.parametrize("spans", [[(0, 100)], [(0, 20), (40, 50)]])
def test_an_alarm_that_stays_or_comes_back_fails_it(
    baked: Baked, spans: list[tuple[float, float]]
) -> None:
    with pytest.raises(Unhealthy):
        baked(*spans)
