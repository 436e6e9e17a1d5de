"""What must not grow while drills run: readings over time, and which of them grew. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

ENOUGH = 8  # readings, before anything can be said
MORE = 1.1  # times as much as before is no growth: memory and disk come and go
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
    """A value whose median over the last quarter is above that of the second one."""

    name: str
    before: float
    after: float

    def __str__(self) -> str:
        return f"{self.name} grew from {self.before:.0f} to {self.after:.0f}"


def grown(readings: Sequence[Reading]) -> tuple[Growth, ...]:
    """Return what grew; nothing of fewer than eight readings. The first quarter is the warm-up."""
    if len(readings) < ENOUGH:
        return ()
    quarter = len(readings) // 4
    names = dict.fromkeys(name for reading in readings for name in reading.values)
    compared = (
        Growth(
            name,
            middle_of(name, readings[quarter : 2 * quarter]),
            middle_of(name, readings[-quarter:]),
        )
        for name in names
        if name not in MAY_GROW
    )
    return tuple(one for one in compared if one.after > one.before * MORE)


def middle_of(name: str, readings: Sequence[Reading]) -> float:
    """Return the median of a value over readings; 0 where none has it."""
    return median([reading.values.get(name, 0.0) for reading in readings])
