"""Run the steps of a plan one after the other, and tell how far they are. No AWS."""

from collections.abc import Callable, Iterable

from common.progress import Progress
from common.waiting import Clock
from deploy.plan.steps import Done, Step


def run_steps(
    steps: Iterable[Step], run: Callable[[Step], str], clock: Clock, progress: Progress
) -> tuple[Done, ...]:
    """Run every step, in order; what ``run`` returns is its outcome, what it raises ends all."""

    def one(step: Step) -> Done:
        began = clock.now()
        progress.begin(step.what)
        outcome = run(step)
        progress.end(outcome)
        return Done(step.what, outcome, clock.now() - began)

    return tuple(one(step) for step in steps)
