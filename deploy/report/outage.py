"""For how long a rollout leaves a cluster without a head, going by journals. Pure: no AWS."""

from collections.abc import Iterable
from dataclasses import dataclass

from deploy.plan.steps import HandOver, Plan, TerminateHeads
from deploy.release.rollout_journal import Entry, Journal


@dataclass(frozen=True)
class Outage:
    """For how long no head would serve; ``seconds`` is None if that is unknown."""

    words: str
    seconds: float | None


NO_OUTAGE = Outage("none", 0.0)


def outage(plan: Plan, journals: Iterable[Journal]) -> Outage:
    """Return the time without a head; a hand-over takes as long as the last one did.

    Journals come newest first.
    """
    if hands_over(plan):
        took = [seconds for j in journals if (seconds := hand_over_seconds(j)) is not None]
        if not took:
            return Outage("unknown: no hand-over is recorded here yet", None)
        return Outage(f"about {took[0]:.0f} s, {_record(took)}", took[0])
    if terminates_leader(plan):
        return Outage(
            'unknown: as long as a new head takes to boot, since rollout.launch is "after"', None
        )
    if plan.strategy == "initial":
        return Outage("no head serves yet", None)
    return NO_OUTAGE


def moves_lease(plan: Plan) -> bool:
    """Say whether another head will lead, which starts a new GCS."""
    return hands_over(plan) or terminates_leader(plan)


def hands_over(plan: Plan) -> bool:
    """Say whether the plan hands the lease over."""
    return any(isinstance(step, HandOver) for step in plan.steps)


def terminates_leader(plan: Plan) -> bool:
    """Say whether the plan terminates the leader before its successor is launched."""
    return any(isinstance(step, TerminateHeads) and step.which == "leader" for step in plan.steps)


def hand_over_seconds(journal: Journal) -> float | None:
    """Return for how long, at most, a finished rollout was without a head that clients reach.

    That is from the start of the hand-over until the load balancer reached the new head.
    """
    if journal.verdict != "done":
        return None
    began = _first(journal, "hand-over")
    ended = _first(journal, "await-endpoint")
    return ended.ended - began.began if began and ended else None


def _first(journal: Journal, kind: str) -> Entry | None:
    return next((e for e in journal.entries if e.kind == kind and not e.failed), None)


def _record(took: list[float]) -> str:
    if len(took) == 1:
        return "as the last hand-over took"
    return f"as the last hand-over took; the last {len(took)} took {min(took):.0f} to " + (
        f"{max(took):.0f} s"
    )
