"""What must not grow while drills run: readings over time, and which of them grew. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

ENOUGH = 8  # readings, before anything can be said
MORE = 1.1  # times as much as before is no growth: memory and disk come and go
# A count that rises in so many of so many turns grows, however little: something is left each time.
# What comes and goes rose in 69 % of 26 turns at most.
STEADY, TURNS = 0.9, 8
IN_MIB = ("memory", "disk")
# Each instance that is launched has one, and each job that prints on it; CloudWatch Logs keeps a
# stream when its events expire.
MAY_GROW = ("log streams",)


@dataclass(frozen=True)
class Reading:
    """Values by name, ``at`` seconds since the soak began. Of memory and disk, the unit is MiB."""

    at: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Growth:
    """What a value was before and is afterwards, and in how many turns it rose."""

    name: str
    before: float
    after: float
    rises: int
    turns: int

    def __str__(self) -> str:
        often = f", in {self.rises} of {self.turns} turns" if self.is_steady else ""
        return f"{self.name} grew from {self.before:.0f} to {self.after:.0f}{often}"

    @property
    def is_steady(self) -> bool:
        """It is a count that rose in almost every turn."""
        counted = not self.name.endswith(IN_MIB)
        return counted and self.turns >= TURNS and self.rises >= STEADY * self.turns

    @property
    def is_large(self) -> bool:
        """It is more than a tenth above what it was."""
        return self.after > self.before * MORE


def too_few(readings: Sequence[Reading]) -> str:
    """Say so of readings that cannot tell what grew; return nothing of enough of them."""
    count = len(readings)
    return "" if count >= ENOUGH else f"too short to tell what grew: {count} of {ENOUGH} readings"


def grown(readings: Sequence[Reading]) -> tuple[Growth, ...]:
    """Return what grew by a tenth, or steadily; nothing where there are ``too_few`` readings.

    The first quarter is the warm-up. Compared are the medians over the second and the last.
    """
    if too_few(readings):
        return ()
    names = dict.fromkeys(name for reading in readings for name in reading.values)
    compared = (growth_of(name, readings) for name in names if name not in MAY_GROW)
    return tuple(one for one in compared if one.is_large or one.is_steady)


def growth_of(name: str, readings: Sequence[Reading]) -> Growth:
    """Compare a value's readings, of which there are four or more."""
    quarter = len(readings) // 4
    values = [one.values[name] for one in readings[quarter:] if name in one.values]
    return Growth(
        name,
        before=middle_of(name, readings[quarter : 2 * quarter]),
        after=middle_of(name, readings[-quarter:]),
        rises=sum(later > earlier for earlier, later in pairwise(values)),
        turns=len(values) - 1,
    )


def middle_of(name: str, readings: Sequence[Reading]) -> float:
    """Return the median of a value over readings; 0 where none has it."""
    return median([reading.values.get(name, 0.0) for reading in readings])
