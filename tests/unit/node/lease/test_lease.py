"""One guard's side of the head lease."""

import pytest

from node.lease.lease import Lease
from node.lease.table import LeaseItem
from tests.unit.node.fakes import FakeClock, MemoryTable, silent


def a_lease(table: MemoryTable, clock: FakeClock, holder: str = "i-0a") -> Lease:
    return Lease(table, holder, f"address-of-{holder}", clock=clock, log=silent)


def step_for(seconds: float, clock: FakeClock, *leases: Lease) -> None:
    for _ in range(round(seconds / 0.25)):
        for lease in leases:
            lease.step()
        clock.advance(0.25)


def a_foreign_item(**changes: object) -> LeaseItem:
    values: dict[str, object] = {"epoch": 4, "beat": 7, "holder": "i-0b", "address": "10.0.0.2"}
    return LeaseItem(**{**values, "released": False, **changes})  # type: ignore[arg-type]


def test_a_lease_that_was_never_held_is_taken_at_once() -> None:
    table, clock = MemoryTable(), FakeClock()
    lease = a_lease(table, clock)

    lease.step()

    assert lease.held
    assert table.item == LeaseItem(1, 0, "i-0a", "address-of-i-0a", released=False)


def test_a_released_lease_is_taken_at_once_with_the_next_epoch() -> None:
    table, clock = MemoryTable(), FakeClock()
    table.item = a_foreign_item(released=True)
    lease = a_lease(table, clock)

    lease.step()

    assert lease.epoch == 5


def test_a_lapsed_lease_is_taken_after_its_length_and_not_before() -> None:
    table, clock = MemoryTable(), FakeClock()
    table.item = a_foreign_item()
    lease = a_lease(table, clock)

    step_for(10.0, clock, lease)
    assert lease.epoch is None
    step_for(0.75, clock, lease)
    assert lease.epoch == 5


def test_every_renewal_restarts_the_wait() -> None:
    table, clock = MemoryTable(), FakeClock()
    table.item = a_foreign_item()
    lease = a_lease(table, clock)

    step_for(9.0, clock, lease)
    table.renew(4, "i-0b", "", "")
    step_for(9.0, clock, lease)

    assert lease.epoch is None


def test_a_head_that_may_not_take_the_lease_only_reads_it() -> None:
    table, clock = MemoryTable(), FakeClock()
    lease = a_lease(table, clock)

    lease.step(take=False)

    assert table.item is None


def test_a_holder_renews_every_two_seconds_or_a_little_sooner() -> None:
    table, clock = MemoryTable(), FakeClock()
    lease = a_lease(table, clock)

    step_for(20.25, clock, lease)

    assert table.item
    assert 10 <= table.item.beat <= 20 / 1.5
    assert lease.renewals == table.item.beat + 1, "the take counts too"


def test_a_holder_that_cannot_renew_may_not_run_ray_after_the_fence() -> None:
    table, clock = MemoryTable(), FakeClock()
    lease = a_lease(table, clock)
    lease.step()
    table.reachable = False

    clock.advance(5.9)
    assert lease.held
    clock.advance(0.1)
    assert not lease.held


def test_a_renewal_without_an_answer_does_not_extend_the_lease() -> None:
    table, clock = MemoryTable(), FakeClock()
    lease = a_lease(table, clock)
    lease.step()
    table.answering = False

    step_for(6.25, clock, lease)

    assert table.item
    assert table.item.beat > 0
    assert lease.epoch is None


def test_a_take_without_an_answer_does_not_hold_and_is_repeated() -> None:
    table, clock = MemoryTable(), FakeClock()
    lease = a_lease(table, clock)
    original = table.take

    def take_without_answer(
        seen: LeaseItem | None, holder: str, address: str, autoscaler: str, refused: str
    ) -> None:
        original(seen, holder, address, autoscaler, refused)
        table.answering = False
        table._answer()

    table.take = take_without_answer  # type: ignore[method-assign]
    lease.step()
    assert not lease.held
    table.answering, table.take = True, original  # type: ignore[method-assign]
    clock.advance(0.5)
    lease.step()

    assert lease.held
    assert lease.epoch == 2


def test_a_holder_whose_lease_was_taken_loses_it_at_its_next_renewal() -> None:
    table, clock = MemoryTable(), FakeClock()
    lease = a_lease(table, clock)
    lease.step()
    table.item = a_foreign_item()

    step_for(2.25, clock, lease)

    assert not lease.held
    assert lease.epoch is None


def test_a_released_epoch_is_never_renewed_even_when_the_release_got_no_answer() -> None:
    table, clock = MemoryTable(), FakeClock()
    lease = a_lease(table, clock)
    lease.step()
    table.reachable = False
    lease.release()
    table.reachable = True

    for _ in range(40):
        lease.step(take=False)
        clock.advance(0.25)

    assert not lease.held
    assert table.item == LeaseItem(1, 0, "i-0a", "address-of-i-0a", released=False)


def test_a_lease_held_by_an_earlier_process_here_is_taken_at_once_as_a_new_epoch() -> None:
    table, clock = MemoryTable(), FakeClock()
    a_lease(table, clock).step()
    reborn = a_lease(table, clock)

    reborn.step()

    assert reborn.epoch == 2


def test_a_deleted_item_is_treated_like_a_silent_holder() -> None:
    table, clock = MemoryTable(), FakeClock()
    table.item = a_foreign_item()
    lease = a_lease(table, clock)
    lease.step()
    table.item = None

    step_for(10.0, clock, lease)
    assert lease.epoch is None
    step_for(1.0, clock, lease)
    assert lease.epoch == 1


def test_a_slow_renewal_counts_from_the_moment_it_was_sent() -> None:
    table, clock = MemoryTable(), FakeClock()
    lease = a_lease(table, clock)
    lease.step()
    clock.advance(2.0)
    original = table.renew

    def renew_slowly(epoch: int, holder: str, autoscaler: str, refused: str) -> LeaseItem:
        item = original(epoch, holder, autoscaler, refused)
        clock.advance(1.5)
        return item

    table.renew = renew_slowly  # type: ignore[method-assign]
    lease.step()
    table.reachable = False

    clock.advance(4.4)
    assert lease.held
    clock.advance(0.1)
    assert not lease.held


def handed_over(**changes: object) -> MemoryTable:
    """Return a table with the successor i-0c, whose epoch is released unless changed."""
    table = MemoryTable()
    table.item = a_foreign_item(**{"released": True, "successor": "i-0c", **changes})
    return table


def test_a_named_successor_takes_a_released_lease_at_once() -> None:
    table, clock = handed_over(), FakeClock()
    lease = a_lease(table, clock, "i-0c")

    lease.step()

    assert lease.epoch == 5
    assert table.item
    assert table.item.successor == ""


@pytest.mark.parametrize("other", ["i-0a", "i-0b"])
def test_all_others_and_the_former_holder_wait_for_a_successor(other: str) -> None:
    table, clock = handed_over(), FakeClock()
    lease = a_lease(table, clock, other)

    step_for(10.0, clock, lease)
    assert lease.epoch is None
    step_for(0.75, clock, lease)
    assert lease.epoch == 5


def test_a_successor_takes_an_unreleased_lease_no_earlier_than_others() -> None:
    table, clock = handed_over(released=False), FakeClock()
    lease = a_lease(table, clock, "i-0c")

    step_for(10.0, clock, lease)
    assert lease.epoch is None
    step_for(0.75, clock, lease)
    assert lease.epoch == 5


def test_a_restarted_holder_leaves_the_lease_to_the_successor() -> None:
    table, clock = MemoryTable(), FakeClock()
    a_lease(table, clock).step()
    table.name_successor("i-0c")
    reborn, successor = a_lease(table, clock), a_lease(table, clock, "i-0c")

    step_for(11.0, clock, successor, reborn)

    assert (successor.epoch, reborn.epoch) == (2, None)


def test_without_its_successor_a_released_lease_is_free_to_all_at_once() -> None:
    table, clock = handed_over(), FakeClock()
    lease = a_lease(table, clock)
    step_for(3.0, clock, lease)
    table.item = a_foreign_item(released=True)

    step_for(0.75, clock, lease)

    assert lease.epoch == 5


def test_a_holder_that_is_its_own_successor_has_none() -> None:
    table, clock = handed_over(successor="i-0b"), FakeClock()
    lease = a_lease(table, clock)

    lease.step()

    assert lease.epoch == 5


def test_a_holder_learns_of_its_successor_with_its_next_renewal() -> None:
    table, clock = MemoryTable(), FakeClock()
    lease = a_lease(table, clock)
    lease.step()
    table.name_successor("i-0c")
    assert lease.successor == ""

    step_for(2.25, clock, lease)
    assert lease.successor == "i-0c"
    table.name_successor("")
    step_for(2.25, clock, lease)
    assert lease.successor == ""


def test_others_know_the_holders_address_and_whether_it_renews() -> None:
    table, clock = MemoryTable(), FakeClock()
    holder, other = a_lease(table, clock), a_lease(table, clock, "i-0c")
    holder.step()
    step_for(3.0, clock, holder, other)

    assert (holder.other_address, other.other_address) == ("", "address-of-i-0a")
    assert (holder.is_renewed_by_other, other.is_renewed_by_other) == (False, True)
    step_for(4.0, clock, other)
    assert not other.is_renewed_by_other
    assert other.other_address == "address-of-i-0a"


def test_a_released_lease_is_not_renewed() -> None:
    table, clock = MemoryTable(), FakeClock()
    holder, other = a_lease(table, clock), a_lease(table, clock, "i-0c")
    holder.step()
    step_for(1.0, clock, holder, other)

    holder.release()
    step_for(0.25, clock, other)

    assert not other.is_renewed_by_other


def test_the_holder_writes_which_autoscaler_yaml_it_uses() -> None:
    table, clock = MemoryTable(), FakeClock()
    lease = a_lease(table, clock)
    lease.autoscaler = "s3://bucket/one.yaml"

    lease.step()
    assert table.item
    assert table.item.autoscaler == "s3://bucket/one.yaml"
    lease.autoscaler = "s3://bucket/two.yaml"
    lease.refused = "s3://bucket/three.yaml no key"
    step_for(2.25, clock, lease)
    assert table.item.autoscaler == "s3://bucket/two.yaml"
    assert table.item.refused == "s3://bucket/three.yaml no key"


def test_a_new_holder_knows_what_it_wrote() -> None:
    table, clock = MemoryTable(), FakeClock()
    lease = a_lease(table, clock)
    lease.autoscaler, lease.refused = "s3://bucket/one.yaml", "s3://bucket/two.yaml no key"

    lease.step()

    assert lease.leader == LeaseItem(
        1,
        0,
        "i-0a",
        "address-of-i-0a",
        released=False,
        autoscaler="s3://bucket/one.yaml",
        refused="s3://bucket/two.yaml no key",
    )
    assert table.item == lease.leader


def test_a_lease_that_was_lost_is_not_taken_at_once_though_its_item_is_gone() -> None:
    """Whoever took it meanwhile may have held it until its item was deleted."""
    table, clock = MemoryTable(), FakeClock()
    lease = a_lease(table, clock)
    lease.step()
    assert lease.held

    table.item = None
    step_for(10.0, clock, lease)
    assert table.item is None
    step_for(4.0, clock, lease)
    assert lease.held
