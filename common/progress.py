"""How long work reports its progress. No AWS."""

from collections.abc import Callable
from typing import Protocol

Say = Callable[[str], None]  # what happens now, in words; where there are steps: Progress


def say_nothing(words: str) -> None:
    """Show no progress."""


class Progress(Protocol):
    """What an executor reports to: one step after the other, with words in between."""

    def begin(self, title: str) -> None:
        """A step begins."""

    def say(self, words: str) -> None:
        """What the step sees now, for a person."""

    def end(self, outcome: str) -> None:
        """The step is done, with this outcome."""


class Silent:
    """Reports nothing."""

    def begin(self, title: str) -> None:
        pass

    def say(self, words: str) -> None:
        pass

    def end(self, outcome: str) -> None:
        pass


class Lines(Protocol):
    """What work on several things at once reports to: a line for each; called by any thread."""

    def say(self, line: str, words: str) -> None:
        """What happens now to the thing of that line."""

    def end(self, line: str, outcome: str, *, failed: bool = False) -> None:
        """It is done, with this outcome."""


class NoLines:
    """Reports nothing."""

    def say(self, line: str, words: str) -> None:
        pass

    def end(self, line: str, outcome: str, *, failed: bool = False) -> None:
        pass
