"""The time axis of every report: scale, ticks, lengths of time in words. Pure: SVG as text.

Colours come from report.css, by class.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from math import ceil

WIDTH, LABELS, RIGHT = 960.0, 285.0, 62.0  # the whole, the rows' names, the last bar's time
TOP, ROW, FOOT = 30.0, 26.0, 30.0
TICKS = 8  # at most
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)


def seconds_in_words(seconds: float) -> str:
    """Return a length of time, for example ``0.4 s``, ``43 s``, ``2:05 min``, ``1:02 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02} h"


@dataclass(frozen=True)
class Scale:
    """Maps seconds since the epoch to x; ticks count from ``zero``."""

    began: float
    ended: float
    zero: float

    @property
    def seconds(self) -> float:
        """The seconds shown."""
        return max(self.ended - self.began, 0.1)

    def x(self, at: float) -> float:
        """Return the x of a moment; one that is not shown is put at the edge."""
        share = (at - self.began) / self.seconds
        return LABELS + min(max(share, 0.0), 1.0) * (WIDTH - LABELS - RIGHT)


def drawing(title: str, height: float, parts: Iterable[str]) -> str:
    """Return the whole SVG."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" '
        f'role="img"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def axis(scale: Scale, bottom: float) -> str:
    """Draw the ticks, from the top of the rows to their bottom."""
    every = next((step for step in STEPS if scale.seconds / step <= TICKS), scale.seconds)
    first = ceil((scale.began - scale.zero) / every)
    last = int((scale.ended - scale.zero) // every)
    return "".join(
        f'<path class="grid" d="M{x:.1f} {TOP - 6:.0f}V{bottom:.0f}"/>'
        f'<text class="soft middle" x="{x:.1f}" y="{bottom + 18:.0f}">{_tick(tick * every)}</text>'
        for tick in range(first, last + 1)
        for x in [scale.x(scale.zero + tick * every)]
    )


def _tick(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    return seconds_in_words(seconds).replace(":00 ", " ")
