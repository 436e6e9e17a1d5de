"""Draw a rollout over time: a bar per step, and when clients got answers. Pure: SVG as text.

Colours come from report.css, by class.
"""

from html import escape

from deploy.cluster.client_downtime import Downtime, Probe, downtimes, longest_downtime
from deploy.release.rollout_journal import Entry, Journal
from deploy.report.axis import (
    FOOT,
    LABELS,
    ROW,
    TOP,
    WIDTH,
    Scale,
    axis,
    drawing,
    seconds_in_words,
)

BAR = 14.0  # the height of a step's bar
NAME = 36  # characters of a step's name that fit
HAND_OVER = "hand-over"
BEFORE, AFTER = 10.0, 20.0  # seconds around the hand-over in the detail


def timeline(journal: Journal, tries: tuple[Probe, ...] = ()) -> str:
    """Draw the whole rollout; after a hand-over the longest gap in the tries is marked."""
    ends = [entry.ended for entry in journal.entries] + [one.at for one in tries]
    scale = Scale(journal.began, max([journal.ended or journal.began, *ends]), journal.began)
    title = f"{journal.kind} of {journal.environment}, step by step"
    gap = longest_downtime(tries) if _hand_over(journal) else None
    return _drawing(title, journal.entries, tries, gap, scale)


def hand_over_detail(journal: Journal, tries: tuple[Probe, ...] = ()) -> str:
    """Draw the time around the hand-over; nothing if the whole timeline is detailed enough."""
    over = _hand_over(journal)
    if over is None:
        return ""
    gap = longest_downtime(tries)
    ends = [over.ended, *([gap.until] if gap and gap.began <= over.ended else [])]
    scale = Scale(over.began - BEFORE, max(ends) + AFTER, over.began)
    if max(entry.ended for entry in journal.entries) - journal.began < 4 * scale.seconds:
        return ""
    near = tuple(e for e in journal.entries if e.ended > scale.began and e.began < scale.ended)
    seen = tuple(one for one in tries if scale.began <= one.at <= scale.ended)
    return _drawing(f"{over.what}, in detail", near, seen, longest_downtime(seen), scale)


def _hand_over(journal: Journal) -> Entry | None:
    return next((entry for entry in journal.entries if entry.kind == HAND_OVER), None)


def _drawing(
    title: str,
    entries: tuple[Entry, ...],
    tries: tuple[Probe, ...],
    gap: Downtime | None,
    scale: Scale,
) -> str:
    bottom = TOP + (len(entries) + bool(tries)) * ROW
    parts = [
        axis(scale, bottom),
        _marked(gap, scale, bottom) if gap else "",
        *(_step(entry, TOP + row * ROW, scale) for row, entry in enumerate(entries)),
        _clients(tries, bottom - ROW, scale) if tries else "",
    ]
    return drawing(title, bottom + FOOT, parts)


def _step(entry: Entry, y: float, scale: Scale) -> str:
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


def _clients(tries: tuple[Probe, ...], y: float, scale: Scale) -> str:
    """Draw when clients got answers, and over it when they got none."""
    middle = y + ROW / 2
    stretches = [("answered", tries[0].at, tries[-1].at)]
    stretches += [("failed", gap.began, gap.until) for gap in downtimes(tries)]
    bars = "".join(
        f'<rect class="{name}" x="{scale.x(began):.1f}" y="{middle - 4:.1f}" '
        f'width="{max(scale.x(ended) - scale.x(began), 1.0):.1f}" height="8"/>'
        for name, began, ended in stretches
    )
    unanswered = sum(not one.answered for one in tries)
    words = f"a client's tries: {unanswered} of {len(tries)} got no answer"
    return (
        f"<g><title>{escape(words)}</title>"
        f'<text class="end" x="{LABELS - 12:.0f}" y="{middle + 4:.1f}">clients answered</text>'
        f"{bars}</g>"
    )


def _marked(gap: Downtime, scale: Scale, bottom: float) -> str:
    left, right = scale.x(gap.began), scale.x(gap.until)
    words = seconds_in_words(gap.seconds) + (" and on" if gap.ended is None else "")
    place = min(max((left + right) / 2, LABELS + 60), WIDTH - 80)  # within the drawing
    return (
        f'<rect class="gap" x="{left:.1f}" y="{TOP - 6:.0f}" '
        f'width="{max(right - left, 1.0):.1f}" height="{bottom - TOP + 6:.0f}"/>'
        f'<path class="gap-edge" d="M{left:.1f} {TOP - 6:.0f}V{bottom:.0f}'
        f'M{right:.1f} {TOP - 6:.0f}V{bottom:.0f}"/>'
        f'<text class="gap-words middle" x="{place:.1f}" y="16">no answer {words}</text>'
    )
