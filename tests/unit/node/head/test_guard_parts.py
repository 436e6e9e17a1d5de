"""What the guard keeps count of: Ray's failures, its health, heartbeats, calls to repeat."""

from itertools import pairwise

import pytest

from node.head.background_calls import BackgroundCalls, RepeatedCall
from node.head.failures import Failures
from node.head.heartbeat import Heartbeat
from node.head.phases import LIMITS
from node.head.ray_health import RayHealth
from node.ray.token import NotFit, NotNow
from tests.unit.node.fakes import AtOnce, FakeClock, FakeRay, silent


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def calls(clock: FakeClock) -> BackgroundCalls:
    return BackgroundCalls(AtOnce(), clock=clock, log=silent, final=NotFit)


def test_failures_are_too_many_only_within_the_window(clock: FakeClock) -> None:
    failures = Failures(LIMITS, clock=clock)
    for _ in range(LIMITS.max_failures):
        failures.add()
    assert not failures.are_too_many

    clock.advance(LIMITS.failure_window)
    failures.add()

    assert (len(failures), failures.are_too_many) == (1, False)


def test_one_failure_more_than_the_limit_is_too_many(clock: FakeClock) -> None:
    failures = Failures(LIMITS, clock=clock)

    for _ in range(LIMITS.max_failures + 1):
        failures.add()

    assert failures.are_too_many


def test_a_failure_is_followed_by_a_pause(clock: FakeClock) -> None:
    failures = Failures(LIMITS, clock=clock)
    assert failures.is_pause_over

    failures.add()
    assert not failures.is_pause_over
    clock.advance(LIMITS.failure_pause)

    assert failures.is_pause_over


LEADS = {"HeadLeader": 1.0, "HeadStandingBy": 0.0}


def test_heartbeat_is_sent_once_an_interval(clock: FakeClock, calls: BackgroundCalls) -> None:
    sent: list[dict[str, float]] = []
    heartbeat = Heartbeat(calls, sent.append, clock=clock, interval=60.0)

    for _ in range(240):
        heartbeat.step(ready=True)
        clock.advance(0.5)

    assert sent == [{**LEADS, "HeadReady": 1.0}] * 2


def test_heartbeat_leaves_ready_out_until_it_is_known_and_hurries_when_told(
    clock: FakeClock, calls: BackgroundCalls
) -> None:
    sent: list[dict[str, float]] = []
    heartbeat = Heartbeat(calls, sent.append, clock=clock, interval=60.0)
    heartbeat.step(ready=None)

    heartbeat.step(ready=False)
    heartbeat.hurry()
    heartbeat.step(ready=False)
    heartbeat.report_failure()

    assert sent == [
        LEADS,
        {**LEADS, "HeadReady": 0.0},
        {"HeadReady": 0.0},
    ]


def test_heartbeat_says_whether_the_autoscaler_works_once_that_is_known(
    clock: FakeClock, calls: BackgroundCalls
) -> None:
    sent: list[dict[str, float]] = []
    heartbeat = Heartbeat(calls, sent.append, clock=clock, interval=60.0)

    for known in (None, True, False):
        heartbeat.hurry()
        heartbeat.step(True, known)

    assert sent == [
        {**LEADS, "HeadReady": 1.0},
        {**LEADS, "HeadReady": 1.0, "AutoscalerWorking": 1.0},
        {**LEADS, "HeadReady": 1.0, "AutoscalerWorking": 0.0},
    ]


def test_health_changes_with_a_check_and_is_lost_after_the_timeout(clock: FakeClock) -> None:
    ray = FakeRay(clock, boot=0.0)
    health = RayHealth(ray, LIMITS, clock=clock)
    ray.start()
    health.begin()
    assert (health.is_good, health.is_due) == (True, True)

    ray.responsive = False
    assert health.check()
    assert (health.is_good, health.is_due, health.is_lost) == (False, False, False)
    clock.advance(LIMITS.unhealthy_timeout + 0.25)
    assert not health.check()

    assert health.is_lost
    ray.responsive = True
    assert health.check()
    assert (health.is_good, health.is_lost) == (True, False)


def test_a_repeated_call_is_made_an_interval_after_it_succeeded(
    clock: FakeClock, calls: BackgroundCalls
) -> None:
    made: list[float] = []
    fails = [True]

    def call() -> None:
        made.append(clock())
        if fails[0]:
            raise NotNow("S3 is away")

    repeated = RepeatedCall(calls, "autoscaler", call, clock=clock, interval=5.0)
    began = clock()
    repeated.step()
    fails[0] = False
    for _ in range(40):
        clock.advance(0.25)
        repeated.step()

    succeeded = made[1:]
    assert made[0] == began
    assert succeeded[0] > began
    assert all(b - a == 5.0 for a, b in pairwise(succeeded))
    assert len(succeeded) == 2
