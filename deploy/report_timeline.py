"""Draw a rollout over time: a bar a step, and what its clients met. Pure: returns SVG as text.

Colours come from report.css, by class.
"""

from dataclasses import dataclass
from html import escape
from math import ceil

from deploy.client_gap import Gap, Try, gaps, longest
from deploy.journal import Entry, Journal

WIDTH, LABELS, RIGHT = 960.0, 285.0, 62.0  # of all, of the steps' names, of the last bar's time
TOP, ROW, BAR, FOOT = 30.0, 26.0, 14.0, 30.0
TICKS = 8  # at most
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
NAME = 36  # characters of a step's name that fit
HAND_OVER = "hand-over"
BEFORE, AFTER = 10.0, 20.0  # seconds around a hand-over that is drawn closer


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
class _Scale:
    """From seconds since the epoch to places in the picture; ticks count from ``zero``."""

    began: float
    ended: float
    zero: float

    @property
    def seconds(self) -> float:
        """How long a time is shown."""
        return max(self.ended - self.began, 0.1)

    def x(self, at: float) -> float:
        """Return where a moment is; those outside are put at the edge."""
        share = (at - self.began) / self.seconds
        return LABELS + min(max(share, 0.0), 1.0) * (WIDTH - LABELS - RIGHT)


def timeline(journal: Journal, tries: tuple[Try, ...] = ()) -> str:
    """Return all of it; the gap is marked when there was a hand-over and tries tell of one."""
    ends = [entry.ended for entry in journal.entries] + [one.at for one in tries]
    scale = _Scale(journal.began, max([journal.ended or journal.began, *ends]), journal.began)
    title = f"{journal.kind} of {journal.environment}, step by step"
    gap = longest(tries) if _hand_over(journal) else None
    return _picture(title, journal.entries, tries, gap, scale)


def closer(journal: Journal, tries: tuple[Try, ...] = ()) -> str:
    """Return the time around the hand-over alone; nothing when the whole shows it well enough."""
    over = _hand_over(journal)
    if over is None:
        return ""
    gap = longest(tries)
    ends = [over.ended, *([gap.until] if gap and gap.began <= over.ended else [])]
    scale = _Scale(over.began - BEFORE, max(ends) + AFTER, over.began)
    if max(entry.ended for entry in journal.entries) - journal.began < 4 * scale.seconds:
        return ""
    near = tuple(e for e in journal.entries if e.ended > scale.began and e.began < scale.ended)
    seen = tuple(one for one in tries if scale.began <= one.at <= scale.ended)
    return _picture(f"{over.what}, closer", near, seen, longest(seen), scale)


def _hand_over(journal: Journal) -> Entry | None:
    return next((entry for entry in journal.entries if entry.kind == HAND_OVER), None)


def _picture(
    title: str,
    entries: tuple[Entry, ...],
    tries: tuple[Try, ...],
    gap: Gap | None,
    scale: _Scale,
) -> str:
    bottom = TOP + (len(entries) + bool(tries)) * ROW
    parts = [
        _axis(scale, bottom),
        _marked(gap, scale, bottom) if gap else "",
        *(_step(entry, TOP + row * ROW, scale) for row, entry in enumerate(entries)),
        _clients(tries, bottom - ROW, scale) if tries else "",
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {bottom + FOOT:.0f}" '
        f'role="img"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def _axis(scale: _Scale, bottom: float) -> str:
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


def _step(entry: Entry, y: float, scale: _Scale) -> str:
    left, right = scale.x(entry.began), scale.x(entry.ended)
    name = entry.what if len(entry.what) <= NAME else f"{entry.what[: NAME - 1]}…"
    middle = y + ROW / 2
    full = f"{entry.what}: {entry.outcome} ({seconds_in_words(entry.seconds)})"
    return (
        f"<g><title>{escape(full)}</title>"
        f'<text class="end" x="{LABELS - 12:.0f}" y="{middle + 4:.1f}">{escape(name)}</text>'
        f'<rect class="{_class(entry)}" x="{left:.1f}" y="{middle - BAR / 2:.1f}" '
        f'width="{max(right - left, 2.0):.1f}" height="{BAR:.0f}" rx="2"/>'
        f'<text class="soft" x="{max(right, left + 2) + 6:.1f}" y="{middle + 4:.1f}">'
        f"{seconds_in_words(entry.seconds)}</text></g>"
    )


def _class(entry: Entry) -> str:
    if entry.failed:
        return "failed"
    if entry.kind == HAND_OVER:
        return HAND_OVER
    return "wait" if entry.kind.startswith("await") or entry.kind == "verify" else "work"


def _clients(tries: tuple[Try, ...], y: float, scale: _Scale) -> str:
    """Draw when clients were answered, and over it when they were not."""
    middle = y + ROW / 2
    stretches = [("answered", tries[0].at, tries[-1].at)]
    stretches += [("failed", gap.began, gap.until) for gap in gaps(tries)]
    bars = "".join(
        f'<rect class="{name}" x="{scale.x(began):.1f}" y="{middle - 4:.1f}" '
        f'width="{max(scale.x(ended) - scale.x(began), 1.0):.1f}" height="8"/>'
        for name, began, ended in stretches
    )
    unanswered = sum(not one.answered for one in tries)
    words = f"a client's tries: {unanswered} of {len(tries)} without an answer"
    return (
        f"<g><title>{escape(words)}</title>"
        f'<text class="end" x="{LABELS - 12:.0f}" y="{middle + 4:.1f}">clients answered</text>'
        f"{bars}</g>"
    )


def _marked(gap: Gap, scale: _Scale, bottom: float) -> str:
    left, right = scale.x(gap.began), scale.x(gap.until)
    words = seconds_in_words(gap.seconds) + (" and on" if gap.ended is None else "")
    place = min(max((left + right) / 2, LABELS + 60), WIDTH - 80)  # within the picture
    return (
        f'<rect class="gap" x="{left:.1f}" y="{TOP - 6:.0f}" '
        f'width="{max(right - left, 1.0):.1f}" height="{bottom - TOP + 6:.0f}"/>'
        f'<path class="gap-edge" d="M{left:.1f} {TOP - 6:.0f}V{bottom:.0f}'
        f'M{right:.1f} {TOP - 6:.0f}V{bottom:.0f}"/>'
        f'<text class="gap-words middle" x="{place:.1f}" y="16">no answer {words}</text>'
    )
