"""The head guard: from boot to leading, and every way out."""

from dataclasses import replace

import pytest

from node.head.phases import FAILED, LIMITS, STOPPED, UNFIT, Phase
from node.lease.lease import LEASE_TIMES
from node.lease.table import LeaseItem
from node.ray.token import NotFit, NotNow
from tests.unit.node.fakes import STEP, FakeClock, FakeHead, MemoryTable, OnCall, run_all

# From naming a successor to its taking the lease, at most: a renewal, a read, and the steps in
# which each is noticed.
HANDED_OVER = LEASE_TIMES.renewal_interval + LEASE_TIMES.read_interval + 3 * STEP


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable()


@pytest.fixture
def head(table: MemoryTable, clock: FakeClock) -> FakeHead:
    return FakeHead(table, clock)


def a_leader(table: MemoryTable, clock: FakeClock, name: str = "i-0a") -> FakeHead:
    head = FakeHead(table, clock, name)
    head.run(10)
    assert head.guard.is_leader
    return head


def reasons_in(head: FakeHead, event: str) -> list[object]:
    return [fields["why"] for said, fields in head.log.lines if said == event]


def test_the_first_head_takes_the_lease_starts_ray_and_reports_it(head: FakeHead) -> None:
    head.run(10)

    assert head.guard.is_leader
    assert {"HeadLeader": 1.0, "HeadReady": 1.0}.items() <= head.services.sent[-1].items()
    assert head.services.asked.count("complete_launch") == 1


def test_secret_and_tags_come_before_ray(head: FakeHead) -> None:
    head.services.failing["tag"] = NotNow("throttled")

    head.run(20)

    assert head.guard.phase is Phase.TAGGING
    assert "refresh_secret" in head.services.asked
    assert head.ray.starts == 0


def test_the_launch_is_not_completed_before_ray_is_healthy(head: FakeHead) -> None:
    head.ray.responsive = False

    head.run(60)

    assert "complete_launch" not in head.services.asked
    assert not head.guard.is_leader


def test_a_head_that_is_not_prepared_does_not_touch_the_lease(
    head: FakeHead, table: MemoryTable
) -> None:
    head.ray.warmed = False

    head.run(30)

    assert table.item is None


def test_the_wait_for_a_silent_leader_begins_while_a_head_still_prepares(
    table: MemoryTable, clock: FakeClock
) -> None:
    table.item = LeaseItem(1, 0, "i-0b", "10.0.0.2", released=False)
    head = FakeHead(table, clock)
    head.ray.warmed = False
    head.run(11)
    head.ray.warmed = True

    head.run(1)

    assert head.lease.epoch == 2


def test_a_standby_completes_its_launch_and_waits(table: MemoryTable, clock: FakeClock) -> None:
    leader = a_leader(table, clock)
    standby = FakeHead(table, clock, "i-0b")

    run_all([leader, standby], 40)

    assert standby.guard.phase is Phase.STANDBY
    assert "complete_launch" in standby.services.asked
    assert standby.ray.starts == 0
    assert standby.services.sent == [{"HeadStandingBy": 1.0}]


def test_a_standby_says_so_at_once_and_then_in_each_minute(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = two_heads(table, clock)
    assert standby.services.sent == [{"HeadStandingBy": 1.0}]

    for _ in range(60):
        before = len(standby.services.sent)
        run_all([leader, standby], 60)
        assert len(standby.services.sent) - before in (1, 2)

    assert set(map(str, standby.services.sent)) == {"{'HeadStandingBy': 1.0}"}
    assert leader.services.sent[-1]["HeadStandingBy"] == 0.0


def test_a_head_that_is_cut_off_does_not_say_that_it_stands_by(
    table: MemoryTable, clock: FakeClock
) -> None:
    """It stands by again, for all it knows: warm, after the last leader that it has seen."""
    cut_off = a_leader(table, clock)
    sent = len(cut_off.services.sent)
    table.reachable = False

    cut_off.run(300)

    assert cut_off.guard.phase is Phase.STANDBY
    assert {"HeadStandingBy": 1.0} not in cut_off.services.sent[sent:]


def test_a_standby_that_is_cut_off_says_nothing_until_it_is_back(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = two_heads(table, clock)
    table.reachable = False
    standby.run(600)
    assert standby.services.sent == [{"HeadStandingBy": 1.0}]

    table.reachable = True
    leader.run(10)
    run_all([leader, standby], 15)

    heads = (leader, standby)
    assert sorted(head.guard.is_leader for head in heads) == [False, True]
    (waits,) = (head for head in heads if not head.guard.is_leader)
    assert waits.services.sent[-1] == {"HeadStandingBy": 1.0}


@pytest.mark.parametrize("missing", ["warm", "leader"])
def test_a_head_that_could_not_take_over_does_not_say_that_it_stands_by(
    table: MemoryTable, clock: FakeClock, missing: str
) -> None:
    leader, standby = two_heads(table, clock)
    if missing == "warm":
        standby.ray.warmed = False
        run_all([leader, standby], 70)
    else:
        standby.services.failing["refresh_secret"] = NotNow("throttled")
        standby.run(70)

    assert standby.services.sent.count({"HeadStandingBy": 1.0}) == 1


def test_a_standby_leads_after_the_lease_has_lapsed(table: MemoryTable, clock: FakeClock) -> None:
    leader = a_leader(table, clock)
    standby = FakeHead(table, clock, "i-0b")
    run_all([leader, standby], 5)

    standby.run(17)

    assert standby.guard.is_leader
    assert standby.lease.epoch == 2


def test_a_leader_that_cannot_renew_kills_ray_at_the_fence(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)
    table.reachable = False

    leader.run(6.25)

    assert not leader.ray.is_running()
    assert leader.guard.phase is Phase.STANDBY


def test_a_fenced_leader_comes_back_as_a_standby_and_may_lead_again(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)
    table.reachable = False
    leader.run(30)
    table.reachable = True

    leader.run(20)

    assert leader.guard.is_leader
    assert leader.lease.epoch == 2


def test_a_leader_whose_ray_dies_releases_the_lease_and_a_standby_takes_it(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = a_leader(table, clock), FakeHead(table, clock, "i-0b")
    run_all([leader, standby], 5)
    leader.ray.die()

    run_all([leader, standby], 1)

    assert table.item == LeaseItem(2, 0, "i-0b", "address-of-i-0b", released=False)
    assert {"HeadReady": 0.0} in leader.services.sent


def test_without_a_standby_ray_restarts_with_a_new_epoch(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)
    leader.ray.die()

    leader.run(12)

    assert leader.guard.is_leader
    assert (leader.lease.epoch, leader.ray.starts) == (2, 2)
    assert leader.services.asked.count("refresh_secret") == 2


def test_the_guard_fails_for_good_when_ray_dies_too_often(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)
    for _ in range(4):
        leader.ray.die()
        leader.run(12)

    assert leader.guard.phase is Phase.ENDED
    assert leader.guard.exit_code == UNFIT
    assert table.item
    assert table.item.released


def test_a_ray_that_does_not_come_up_is_killed_and_the_lease_released(
    head: FakeHead, table: MemoryTable
) -> None:
    head.ray.responsive = False

    head.run(LIMITS.start_timeout + 2)

    assert head.guard.phase is Phase.STANDBY
    assert not head.ray.is_running()
    assert table.item
    assert table.item.released


def test_a_hung_ray_ends_leadership_at_once_and_is_killed_after_the_timeout(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)
    leader.ray.responsive = False

    leader.run(3)
    assert not leader.guard.is_leader
    assert leader.services.sent[-1]["HeadReady"] == 0.0
    leader.run(10)
    assert leader.guard.phase is Phase.STANDBY


def test_a_single_failed_check_is_only_reported(table: MemoryTable, clock: FakeClock) -> None:
    leader = a_leader(table, clock)
    leader.ray.responsive = False
    leader.run(3)
    leader.ray.responsive = True

    leader.run(3)

    assert leader.guard.is_leader
    assert leader.ray.starts == 1
    assert leader.services.sent[-1]["HeadReady"] == 1.0


def test_the_heartbeat_comes_every_minute(table: MemoryTable, clock: FakeClock) -> None:
    leader = a_leader(table, clock)
    before = len(leader.services.sent)

    leader.run(300)

    assert len(leader.services.sent) - before == 5


def test_a_missing_setting_ends_the_guard_with_the_reason(head: FakeHead) -> None:
    head.services.failing["prepare"] = NotFit("parameter /ray/test/redis_password: not there")

    head.run(1)

    assert head.guard.exit_code == UNFIT
    assert ("head failed", {"why": "parameter /ray/test/redis_password: not there"}) in (
        head.log.lines
    )


def test_an_error_that_may_pass_is_retried_until_the_timeout(
    head: FakeHead, table: MemoryTable
) -> None:
    head.services.failing["prepare"] = NotNow("S3 answered AccessDenied")

    head.run(60)
    assert head.guard.phase is Phase.PREPARING
    head.run(LIMITS.prepare_timeout)

    assert head.guard.exit_code == FAILED
    assert table.item is None
    assert reasons_in(head, "head failed") == [
        "not prepared in time: see the background calls that failed"
    ]


def test_a_standby_whose_ray_cannot_be_imported_fails(
    table: MemoryTable, clock: FakeClock, head: FakeHead
) -> None:
    a_leader(table, clock, "i-0b")
    head.run(10)
    head.ray.warmed = False

    head.run(130)

    assert head.guard.exit_code == FAILED
    assert reasons_in(head, "head failed") == ["Ray cannot be imported"]


def test_a_head_that_is_stopped_says_so(head: FakeHead) -> None:
    head.run(10)

    head.guard.shut_down()

    assert reasons_in(head, "stopping Ray") == ["asked to stop"]


def test_a_throttled_moment_at_boot_does_no_harm(head: FakeHead) -> None:
    head.services.failing["prepare"] = NotNow("throttled")
    head.run(10)
    head.services.failing.clear()

    head.run(15)

    assert head.guard.is_leader


def test_a_failing_metric_does_not_disturb_the_leader(table: MemoryTable, clock: FakeClock) -> None:
    leader = a_leader(table, clock)
    leader.services.failing["send"] = NotNow("CloudWatch is away")

    leader.run(120)

    assert leader.guard.is_leader


def test_a_guard_that_is_asked_to_stop_kills_ray_and_releases_the_lease(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)

    leader.guard.shut_down()

    assert leader.guard.phase is Phase.ENDED
    assert leader.guard.exit_code == STOPPED
    assert not leader.ray.is_running()
    assert table.item
    assert table.item.released


def test_the_lease_is_not_released_while_a_ray_process_is_left(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)
    leader.ray.stubborn = True

    leader.guard.shut_down()
    leader.run(30)
    assert table.item
    assert not table.item.released
    leader.ray.stubborn = False
    leader.run(0.25)

    assert table.item.released


def test_while_leading_only_a_renewal_feeds_the_watchdog(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)
    table.reachable = False
    leader.guard.may_feed_watchdog()

    fed = []
    for _ in range(12):
        leader.run(0.25)
        fed.append(leader.guard.may_feed_watchdog())

    assert not any(fed)


def test_without_the_lease_nothing_feeds_the_watchdog_until_ray_is_dead(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)
    table.reachable, leader.ray.stubborn = False, True

    leader.run(7)
    assert not leader.guard.may_feed_watchdog()
    leader.ray.stubborn = False
    leader.run(0.25)
    assert leader.guard.may_feed_watchdog()


def test_a_standby_feeds_the_watchdog(table: MemoryTable, clock: FakeClock) -> None:
    leader, standby = a_leader(table, clock), FakeHead(table, clock, "i-0b")

    run_all([leader, standby], 5)

    assert standby.guard.may_feed_watchdog()


def test_a_lease_taken_while_ray_is_not_warm_is_released(
    table: MemoryTable, clock: FakeClock
) -> None:
    table.item = LeaseItem(1, 0, "i-0b", "10.0.0.2", released=False)
    head = FakeHead(table, clock, limits=replace(LIMITS, failure_pause=0.0))
    head.run(9)
    original = table.take

    def take_and_go_cold(
        seen: LeaseItem | None, holder: str, address: str, autoscaler: str, refused: str
    ) -> None:
        original(seen, holder, address, autoscaler, refused)
        head.ray.warmed = False

    table.take = take_and_go_cold  # type: ignore[method-assign]
    head.run(3)

    assert table.item.released
    assert head.ray.starts == 0
    assert reasons_in(head, "stopping Ray") == ["Ray was not warm when this head took the lease"]


def test_status_shows_who_leads(table: MemoryTable, clock: FakeClock) -> None:
    leader, standby = a_leader(table, clock), FakeHead(table, clock, "i-0b")
    run_all([leader, standby], 5)

    assert leader.guard.status().phase == "leading"
    assert standby.guard.status().leader == "i-0a"
    assert standby.guard.status().leader_address == "address-of-i-0a"


def two_heads(table: MemoryTable, clock: FakeClock) -> tuple[FakeHead, FakeHead]:
    """Return a leader and a standby that is ready to succeed it."""
    leader, standby = a_leader(table, clock), FakeHead(table, clock, "i-0b")
    run_all([leader, standby], 5)
    return leader, standby


def test_a_leader_hands_over_to_the_successor_that_is_named(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = two_heads(table, clock)
    table.name_successor("i-0b")

    run_all([leader, standby], HANDED_OVER)
    assert (leader.lease.epoch, standby.lease.epoch) == (None, 2)
    run_all([leader, standby], 7)

    assert standby.guard.is_leader
    assert not leader.ray.is_running()
    assert leader.guard.phase is Phase.STANDBY
    assert leader.guard.status().leader == "i-0b"


def test_handing_over_is_no_failure(table: MemoryTable, clock: FakeClock) -> None:
    leader, standby = two_heads(table, clock)
    sent = len(leader.services.sent)
    table.name_successor("i-0b")

    run_all([leader, standby], 10)

    assert leader.guard.status().failures == 0
    assert {"HeadReady": 0.0} not in leader.services.sent[sent:]


def test_after_a_hand_over_the_former_leader_can_be_the_next_successor(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = two_heads(table, clock)
    for successor in ("i-0b", "i-0a"):
        table.name_successor(successor)
        run_all([leader, standby], 10)

    assert leader.guard.is_leader
    assert (leader.lease.epoch, leader.ray.starts) == (3, 2)


def test_with_a_dead_successor_the_former_leader_is_back_after_the_leases_length(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)
    table.name_successor("i-0dead")

    leader.run(9)
    assert leader.lease.epoch is None
    leader.run(13)

    assert leader.guard.is_leader
    assert table.item
    assert (table.item.epoch, table.item.successor) == (2, "")


def test_a_successor_that_is_removed_in_time_changes_nothing(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)
    table.name_successor("i-0b")
    table.name_successor("")

    leader.run(20)

    assert leader.guard.is_leader
    assert leader.ray.starts == 1


def test_a_head_that_handed_over_leaves_the_cpu_to_the_next_one(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = two_heads(table, clock)
    table.name_successor("i-0b")
    run_all([leader, standby], HANDED_OVER)
    assert standby.lease.held

    before = leader.ray.warm_ups
    run_all([leader, standby], LIMITS.warm_up_delay - 4)
    assert leader.ray.warm_ups == before
    run_all([leader, standby], 6)

    assert leader.ray.warm_ups > before


def test_a_successor_that_can_no_longer_lead_leaves_the_lease_to_others(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = two_heads(table, clock)
    standby.ray.warmed = False
    table.name_successor("i-0b")

    run_all([leader, standby], 20)

    assert leader.guard.is_leader
    assert standby.ray.starts == 0


def test_a_holder_that_still_starts_ray_hands_over_too(
    table: MemoryTable, clock: FakeClock
) -> None:
    starting, standby = FakeHead(table, clock), FakeHead(table, clock, "i-0b")
    starting.ray.responsive = False
    run_all([starting, standby], 5)
    assert starting.guard.phase is Phase.STARTING
    table.name_successor("i-0b")

    run_all([starting, standby], 10)

    assert standby.guard.is_leader
    assert starting.guard.status().failures == 0


def test_the_lease_is_not_handed_over_while_tags_are_being_moved(
    table: MemoryTable, clock: FakeClock
) -> None:
    executor = OnCall()
    tagging = FakeHead(table, clock, executor=executor)
    standby = FakeHead(table, clock, "i-0b")
    tagging.run(0.25)
    executor.holds = True
    run_all([tagging, standby], 5)
    table.name_successor("i-0b")

    run_all([tagging, standby], 10)
    assert tagging.guard.phase is Phase.TAGGING
    executor.let_go()
    run_all([tagging, standby], 1)

    assert standby.lease.epoch == 2
    assert tagging.ray.starts == 0


def test_a_leader_that_is_its_own_successor_goes_on(table: MemoryTable, clock: FakeClock) -> None:
    leader, standby = two_heads(table, clock)
    table.name_successor("i-0a")

    run_all([leader, standby], 10)

    assert leader.guard.is_leader
    assert leader.lease.epoch == 1


def test_the_lease_is_handed_over_only_once_ray_is_dead(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = two_heads(table, clock)
    leader.ray.stubborn = True
    table.name_successor("i-0b")

    run_all([leader, standby], 30)
    assert (leader.lease.epoch, standby.lease.epoch) == (1, None)
    leader.ray.stubborn = False
    run_all([leader, standby], 1)

    assert standby.lease.epoch == 2


def test_a_healthy_leader_and_a_standby_with_an_open_relay_take_traffic(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = two_heads(table, clock)
    assert (leader.guard.takes_traffic, standby.guard.takes_traffic) == (True, True)
    assert (leader.relay.address, standby.relay.address) == ("", "address-of-i-0a")

    leader.ray.responsive = False
    leader.run(3)

    assert not leader.guard.takes_traffic


def test_a_standby_without_an_open_relay_takes_no_traffic(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = two_heads(table, clock)
    standby.relay.close()
    standby.relay.blocked = True

    run_all([leader, standby], 1)

    assert not standby.guard.takes_traffic


def test_a_standby_that_cannot_reach_a_renewing_leader_takes_no_traffic(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = two_heads(table, clock)
    standby.relay.reachable = False

    for _ in range(200):
        run_all([leader, standby], STEP)
        assert not standby.guard.takes_traffic


def test_a_standby_takes_traffic_again_soon_after_the_leader_was_lost(
    table: MemoryTable, clock: FakeClock
) -> None:
    _, standby = two_heads(table, clock)
    standby.relay.reachable = False
    answers = []
    for _ in range(80):
        standby.run(STEP)
        answers.append(standby.guard.takes_traffic)

    # Less than the 5 s between two checks, two of which must fail.
    assert answers.index(True) * STEP < 5.0
    assert all(answers[answers.index(True) :])
    assert standby.guard.is_leader


def test_a_standby_closes_its_relay_before_ray_starts(table: MemoryTable, clock: FakeClock) -> None:
    leader, standby = two_heads(table, clock)
    table.name_successor("i-0b")

    while not standby.ray.starts:
        assert standby.relay.is_open is (standby.guard.phase is Phase.STANDBY)
        run_all([leader, standby], STEP)

    assert not standby.relay.is_open


def test_a_successor_takes_traffic_throughout_a_hand_over(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = two_heads(table, clock)
    table.name_successor("i-0b")

    for _ in range(40):
        run_all([leader, standby], STEP)
        assert standby.guard.takes_traffic

    assert standby.guard.is_leader
    assert leader.relay.address == "address-of-i-0b"


def test_a_former_leader_relays_at_once_and_takes_traffic_once_it_can_lead(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = two_heads(table, clock)
    table.name_successor("i-0b")
    while leader.lease.epoch:
        run_all([leader, standby], STEP)

    run_all([leader, standby], 1)
    assert leader.relay.is_open
    assert not leader.guard.takes_traffic
    run_all([leader, standby], LIMITS.warm_up_delay + 1)

    assert leader.guard.takes_traffic


def test_a_standby_that_is_not_warm_takes_no_traffic(table: MemoryTable, clock: FakeClock) -> None:
    leader, standby = two_heads(table, clock)
    standby.ray.warmed = False

    run_all([leader, standby], 1)

    assert not standby.guard.takes_traffic


def test_an_ended_head_relays_nothing(table: MemoryTable, clock: FakeClock) -> None:
    leader, standby = two_heads(table, clock)

    standby.guard.shut_down()
    run_all([leader, standby], 1)

    assert standby.guard.phase is Phase.ENDED
    assert not standby.relay.is_open


def test_leader_and_standby_refresh_the_autoscaler_yaml_every_five_seconds(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader, standby = two_heads(table, clock)
    before = [head.services.asked.count("refresh_autoscaler") for head in (leader, standby)]

    run_all([leader, standby], 50)

    after = [head.services.asked.count("refresh_autoscaler") for head in (leader, standby)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [10, 10]


def test_the_lease_says_which_autoscaler_yaml_the_leader_uses(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)

    leader.services.autoscaler_uri = "s3://bucket/new.yaml"
    leader.run(2.25)

    assert table.item
    assert table.item.autoscaler == "s3://bucket/new.yaml"


def test_the_lease_says_which_autoscaler_yaml_the_leader_refuses_and_why(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)

    leader.services.autoscaler_refused = "s3://bucket/new.yaml 'max_worker' was unexpected"
    leader.run(2.25)

    assert table.item
    assert table.item.refused == "s3://bucket/new.yaml 'max_worker' was unexpected"


def test_a_failing_autoscaler_refresh_does_not_disturb_the_leader(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)
    leader.services.failing["refresh_autoscaler"] = NotNow("S3 is away")

    leader.run(60)

    assert leader.guard.is_leader


def test_a_leader_reports_that_its_autoscaler_works(table: MemoryTable, clock: FakeClock) -> None:
    leader = a_leader(table, clock)

    leader.run(60)

    assert leader.services.sent[-1]["AutoscalerWorking"] == 1.0
    autoscaler = leader.guard.status().autoscaler
    assert autoscaler
    assert (autoscaler.working, autoscaler.refused) == (True, {})
    assert autoscaler.rounds >= 6


def test_a_leader_whose_autoscaler_stands_still_says_so_and_leads_on(
    table: MemoryTable, clock: FakeClock
) -> None:
    leader = a_leader(table, clock)
    leader.run(30)

    leader.ray.autoscaler_ended_at = clock()
    leader.run(LIMITS.round_timeout + LIMITS.round_check_interval + 1)

    assert leader.services.sent[-1] == {
        "HeadLeader": 1.0,
        "HeadStandingBy": 0.0,
        "HeadReady": 1.0,
        "AutoscalerWorking": 0.0,
    }
    assert leader.guard.is_leader
    assert leader.ray.starts == 1

    leader.ray.autoscaler_ended_at = None
    leader.run(LIMITS.round_check_interval + 1)

    assert leader.services.sent[-1]["AutoscalerWorking"] == 1.0
    events = [fields for event, fields in leader.log.lines if event == "autoscaler changed"]
    assert [fields["working"] for fields in events] == [True, False, True]


def test_only_a_leader_shows_an_autoscaler(table: MemoryTable, clock: FakeClock) -> None:
    leader, standby = two_heads(table, clock)

    assert leader.guard.status().autoscaler
    assert standby.guard.status().autoscaler is None
    assert all("AutoscalerWorking" not in sent for sent in standby.services.sent)
