"""The audit only grows; the counters of a day; the budget stops before it is overspent."""

import pytest

from documents.control.records import Audit, Metrics
from documents.errors import OverBudget
from tests.unit.documents.conftest import Clients, SetClock


def test_the_audit_keeps_every_entry_in_order(audit: Audit, clock: SetClock) -> None:
    audit.add("object/bucket/input/a", "consumer-1", "RECEIVED")
    audit.add("object/bucket/input/a", "consumer-1", "claimed", attempt=1)
    clock.sleep(1)
    audit.add("object/bucket/input/a", "consumer-1", "DONE", chunks=3)

    found = list(audit.entries("object/bucket/input/a"))
    assert [one["what"] for one in found][-1] == "DONE"
    assert len(found) == 3
    assert found[0]["expires_at"] == 1_795_953_600 + 10 * 86_400


def test_counters_add_up_by_day(metrics: Metrics, clock: SetClock) -> None:
    metrics.add(documents=1, seconds=0.5)
    metrics.add(documents=2, seconds=0.25)
    clock.sleep(86_400)
    metrics.add(documents=1)

    assert metrics.of_day("2026-11-29") == {"documents": 3, "seconds": 0.75}
    assert metrics.of_day("2026-11-30") == {"documents": 1}
    assert metrics.of_day("2026-12-01") == {}


def test_a_budget_stops_before_it_is_overspent_until_midnight(
    metrics: Metrics, clock: SetClock
) -> None:
    metrics.spend(60, 0.5, per_day=100)
    with pytest.raises(OverBudget, match="budget of 100 tokens a day") as caught:
        metrics.spend(41, 0.5, per_day=100)
    metrics.spend(40, 0.5, per_day=100)

    assert metrics.of_day("2026-11-29") == {"tokens": 100, "dollars": 0.00005}
    assert caught.value.retry_after == 12 * 3600
    clock.sleep(12 * 3600)
    metrics.spend(100, 0.5, per_day=100)


def test_more_than_a_whole_budget_is_refused_at_once(metrics: Metrics) -> None:
    with pytest.raises(OverBudget):
        metrics.spend(101, 0.5, per_day=100)
    assert metrics.of_day("2026-11-29") == {}


def test_without_a_budget_tokens_are_only_counted(aws: Clients, metrics: Metrics) -> None:
    metrics.spend(10**9, 0.02, per_day=None)

    assert metrics.of_day("2026-11-29") == {"tokens": 10**9, "dollars": 20}


def test_where_nothing_is_charged_nothing_is_counted(metrics: Metrics) -> None:
    metrics.spend(0, 0.02, per_day=1)

    assert metrics.of_day("2026-11-29") == {}
