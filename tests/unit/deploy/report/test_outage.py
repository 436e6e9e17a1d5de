"""For how long a rollout would leave a cluster without a head."""

from typing import Literal

from deploy.plan.steps import HandOver, Plan, Step, TerminateHeads
from deploy.plan.strategy import Strategy
from deploy.release.rollout_journal import Entry, Journal, RolloutStatus, begin_journal
from deploy.report.outage import Outage, hand_over_seconds, moves_lease, outage

OVER = HandOver("hand the lease over", "from i-1", "~", workers_stay=True)


def a_plan(*steps: Step, strategy: Strategy = "hand-over") -> Plan:
    return Plan("dev", "a" * 16, steps, strategy)


def ends(which: Literal["leader", "stale or surplus"]) -> Step:
    return TerminateHeads("head i-1", "", "-", which)


def a_journal(*took: float, verdict: RolloutStatus = "done", failed: bool = False) -> Journal:
    """Return a rollout whose hand-over began at 100 s and took these seconds."""
    journal = begin_journal("dev", "deploy", from_release="", to_release="a", plan=(), now=0.0)
    for seconds in took:
        outcome = "failed: it hung" if failed else "i-2 leads"
        journal = journal.noted(Entry("hand over", "hand-over", 100.0, 2.0, outcome))
        journal = journal.noted(Entry("endpoint", "await-endpoint", 103.0, seconds - 3, "reached"))
    return journal.closed(verdict, 200.0)


def test_a_hand_over_takes_as_long_as_the_last_one_did() -> None:
    last, before, first = a_journal(4.25), a_journal(9.0), a_journal(3.25)

    assert outage(a_plan(OVER), [last]) == Outage("about 4 s, as the last hand-over took", 4.25)
    assert outage(a_plan(OVER), [a_journal(), last, before, first]) == Outage(
        "about 4 s, as the last hand-over took; the last 3 took 3 to 9 s", 4.25
    )


def test_without_a_record_a_hand_over_s_duration_is_unknown() -> None:
    unknown = Outage("unknown: no hand-over is recorded here yet", None)

    assert outage(a_plan(OVER), []) == unknown
    assert outage(a_plan(OVER), [a_journal(4.0, verdict="failed")]) == unknown
    assert outage(a_plan(OVER), [a_journal(4.0, failed=True)]) == unknown


def test_a_leader_that_goes_first_leaves_the_cluster_until_the_next_has_booted() -> None:
    plan = a_plan(ends("leader"))

    assert outage(plan, [a_journal(4.0)]) == Outage(
        'unknown: as long as a new head takes to boot, since rollout.launch is "after"', None
    )
    assert moves_lease(plan)


def test_otherwise_there_is_none() -> None:
    assert outage(a_plan(ends("stale or surplus"), strategy="workers"), []) == Outage("none", 0.0)
    assert outage(a_plan(strategy="initial"), []) == Outage("no head serves yet", None)
    assert not moves_lease(a_plan(ends("stale or surplus")))
    assert moves_lease(a_plan(OVER))


def test_a_journal_says_how_long_clients_were_without_a_head() -> None:
    assert hand_over_seconds(a_journal(6.5)) == 6.5
    assert hand_over_seconds(a_journal()) is None
