"""How far long work is, told to whoever shows it. No AWS."""

from collections.abc import Callable
from typing import Protocol

Say = Callable[[str], None]  # what happens now, in words; where there are steps: Progress


def say_nothing(words: str) -> None:
    """Show no progress."""


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
