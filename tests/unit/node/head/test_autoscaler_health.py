"""Whether the autoscaler works: by the clock of the guard and the counter in the GCS alone."""

import pytest

from node.head.autoscaler_health import AutoscalerHealth
from node.head.background_calls import BackgroundCalls
from node.head.phases import LIMITS
from node.ray.launches import RefusedLaunch
from node.ray.token import NotFit
from tests.unit.node.fakes import STEP, AtOnce, FakeClock, FakeRay, silent


class Head:
    """A Ray that has come up, and the health of its autoscaler."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ray = FakeRay(self.clock, boot=0.0)
        calls = BackgroundCalls(AtOnce(), clock=self.clock, log=silent, final=NotFit)
        self.health = AutoscalerHealth(self.ray, calls, LIMITS, clock=self.clock)
        self.ray.start()
        self.health.begin()

    def run(self, seconds: float) -> list[bool | None]:
        """Let time pass; return what it changed to."""
        changes = []
        for _ in range(round(seconds / STEP)):
            if self.health.step():
                changes.append(self.health.working)
            self.clock.advance(STEP)
        return changes


@pytest.fixture
def head() -> Head:
    return Head()


def test_it_is_not_known_before_the_first_round_and_works_with_it(head: Head) -> None:
    head.ray.autoscaler_ended_at = -1.0  # there is no round
    assert head.run(30) == []
    assert head.health.working is None

    head.ray.autoscaler_ended_at = None

    assert head.run(1) == [True]
    assert head.health.status().rounds == 1


def test_an_autoscaler_that_never_completes_a_round_does_not_work(head: Head) -> None:
    head.ray.autoscaler_ended_at = -1.0

    assert head.run(LIMITS.round_timeout) == []
    assert head.run(1) == [False]
    assert head.health.status().rounds == 0


def test_a_counter_that_stood_still_for_a_minute_means_that_it_does_not_work(head: Head) -> None:
    head.run(30)
    rounds = head.health.status().rounds
    head.ray.autoscaler_ended_at = head.clock()
    head.run(LIMITS.round_check_interval)

    assert head.run(LIMITS.round_timeout - LIMITS.round_check_interval) == []
    assert head.run(LIMITS.round_check_interval + 1) == [False]
    status = head.health.status()
    assert (status.working, status.rounds - rounds) == (False, 1)
    assert LIMITS.round_timeout < status.seconds_since_round < LIMITS.round_timeout + 12

    head.ray.autoscaler_ended_at = None
    assert head.run(LIMITS.round_check_interval + 1) == [True]


def test_one_that_completes_no_round_is_restarted_after_a_minute_and_then_every_two(
    head: Head,
) -> None:
    head.run(30)
    stood_still = head.ray.autoscaler_ended_at = head.clock()

    head.run(400)

    after = [at - stood_still for at in head.ray.autoscaler_restarts]
    assert after == [pytest.approx(sixty + 7, abs=7) for sixty in (60, 180, 300)]


def test_one_that_works_again_is_restarted_anew_only_after_another_minute(head: Head) -> None:
    head.ray.autoscaler_ended_at = -1.0
    head.run(70)
    head.ray.autoscaler_ended_at = None
    head.run(600)
    assert len(head.ray.autoscaler_restarts) == 1
    stood_still = head.ray.autoscaler_ended_at = head.clock()

    head.run(90)

    assert head.ray.autoscaler_restarts[1:] == [pytest.approx(stood_still + 67, abs=7)]


def test_the_next_ray_has_a_minute_of_its_own(head: Head) -> None:
    head.ray.autoscaler_ended_at = -1.0
    head.run(70)
    head.health.begin()
    began = head.clock()

    head.run(100)

    assert head.ray.autoscaler_restarts[1:] == [pytest.approx(began + 60, abs=1)]


def test_a_gcs_that_does_not_say_is_no_new_round(head: Head) -> None:
    head.run(5)
    head.ray.responsive = False

    assert head.run(LIMITS.round_timeout + 1) == [False]


def test_an_answer_of_the_ray_before_does_not_count_for_the_next(
    head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers_after_the_next_ray_came_up() -> int:
        head.health.begin()
        return 300

    with monkeypatch.context() as late:
        late.setattr(head.ray, "autoscaler_round", answers_after_the_next_ray_came_up)
        assert head.run(STEP) == []

    assert head.health.status().rounds == 0
    assert head.run(LIMITS.round_check_interval + 1) == [True]


def test_it_shows_what_was_refused_since_this_ray_came_up(head: Head) -> None:
    no = "InsufficientInstanceCapacity"
    ours = RefusedLaunch("g5.xlarge", "spot", no, "no room", seconds_ago=4.0)
    older = RefusedLaunch("m6i.large", "on-demand", no, "no room", seconds_ago=400.0)
    head.ray.refused = {"gpu": ours, "cpu": older}

    head.run(30)

    assert head.health.status().refused == {"gpu": ours}
