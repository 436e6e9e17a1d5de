"""Carry the steps of a plan out, one after the other, and report progress. No AWS."""

from collections.abc import Callable, Iterable

from common.progress import Progress
from common.waiting import Clock
from deploy.plan.steps import Done, Step


def run_steps(
    steps: Iterable[Step], run: Callable[[Step], str], clock: Clock, progress: Progress
) -> tuple[Done, ...]:
    """Run every step, in order; ``run`` returns its outcome, or raises, which ends the rest."""

    def one(step: Step) -> Done:
        began = clock.now()
        progress.begin(step.what)
        outcome = run(step)
        progress.end(outcome)
        return Done(step.what, outcome, clock.now() - began)

    return tuple(one(step) for step in steps)
