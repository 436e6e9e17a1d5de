"""Steps taken one after the other, and how far they are, told to whoever shows it. No AWS."""

from collections.abc import Callable, Iterable
from typing import Protocol

from deploy.steps import Done, Step
from deploy.waiting import Clock


class Progress(Protocol):
    """What an executor tells while it works: one step after the other, with words on the way."""

    def begin(self, title: str) -> None:
        """A step begins."""

    def say(self, words: str) -> None:
        """What the step sees now."""

    def end(self, outcome: str) -> None:
        """The step is done; ``outcome`` says what came of it."""


class Silent:
    """Tells nobody."""

    def begin(self, title: str) -> None:
        pass

    def say(self, words: str) -> None:
        pass

    def end(self, outcome: str) -> None:
        pass


def take_steps(
    steps: Iterable[Step], take: Callable[[Step], str], clock: Clock, progress: Progress
) -> tuple[Done, ...]:
    """Take every step, in order; what ``take`` returns is its outcome, what it raises ends all."""

    def one(step: Step) -> Done:
        began = clock.now()
        progress.begin(step.what)
        outcome = take(step)
        progress.end(outcome)
        return Done(step.what, outcome, clock.now() - began)

    return tuple(one(step) for step in steps)
