"""Draw the record of drills as SVG: the distribution of figures, and the phases of each recovery.

Pure. Axis, frame and colours are those of the rollouts' report.
"""

from collections.abc import Mapping, Sequence
from html import escape

from deploy.report.axis import FOOT, LABELS, ROW, TOP, Scale, axis, drawing, seconds_in_words
from drills.kit.phases import (
    LEASE_FREE,
    LEASE_TAKEN,
    LOSS_SEEN,
    RAY_ANSWERS,
    WORKERS_BACK,
    label,
)
from drills.kit.record import Run, quantile

DOT, BAR = 4.0, 14.0
# The phases that are drawn, and their colours. The first job is accepted as Ray first answers.
SHADES = {
    LEASE_FREE: "wait",
    LOSS_SEEN: "wait",
    LEASE_TAKEN: "hand-over",
    RAY_ANSWERS: "work",
    WORKERS_BACK: "answered",
}


def spread(title: str, figures: Mapping[str, Sequence[float]]) -> str:
    """Draw a row for each figure: a dot per run, a line from the minimum to p95, a bar at p50."""
    longest = max(max(values) for values in figures.values())
    scale = Scale(0.0, longest * 1.05 + 0.1, 0.0)
    bottom = TOP + len(figures) * ROW
    rows = [
        _spread_row(name, values, TOP + row * ROW, scale)
        for row, (name, values) in enumerate(figures.items())
    ]
    return drawing(title, bottom + FOOT, [axis(scale, bottom), *rows])


def recoveries(title: str, runs: Sequence[Run]) -> str:
    """Draw a row for each run, divided where a phase was reached."""
    longest = max(max(run.phases.values()) for run in runs)
    scale = Scale(0.0, longest * 1.05 + 0.1, 0.0)
    bottom = TOP + len(runs) * ROW
    rows = [_recovery(run, TOP + row * ROW, scale) for row, run in enumerate(runs)]
    return drawing(title, bottom + FOOT, [axis(scale, bottom), _legend(runs), *rows])


def _spread_row(name: str, values: Sequence[float], y: float, scale: Scale) -> str:
    middle = y + ROW / 2
    least, half, most = min(values), quantile(values, 0.5), quantile(values, 0.95)
    words = f"{label(name)}: p50 {half:.1f} s, p95 {most:.1f} s, max {max(values):.1f} s"
    dots = "".join(
        f'<circle class="work" cx="{scale.x(value):.1f}" cy="{middle:.1f}" r="{DOT:.0f}" '
        'opacity=".6"/>'
        for value in values
    )
    left, right = scale.x(least), scale.x(most)
    return (
        f"<g><title>{escape(words)}</title>{_row_label(label(name), middle)}"
        f'<rect class="wait" x="{left:.1f}" y="{middle - 1.5:.1f}" '
        f'width="{max(right - left, 1.0):.1f}" height="3"/>{dots}'
        f'<rect class="hand-over" x="{scale.x(half) - 1.5:.1f}" y="{middle - 9:.1f}" '
        f'width="3" height="18"/>'
        f'<text class="soft" x="{scale.x(max(values)) + 8:.1f}" y="{middle + 4:.1f}">'
        f"{seconds_in_words(max(values))}</text></g>"
    )


def _recovery(run: Run, y: float, scale: Scale) -> str:
    middle, from_, parts = y + ROW / 2, 0.0, []
    drawn = [(at, name, SHADES[name]) for name, at in run.phases.items() if name in SHADES]
    for at, name, shade in sorted(drawn):
        left, right = scale.x(from_), scale.x(at)
        words = f"{label(name)} after {seconds_in_words(at)}"
        parts.append(
            f'<g><title>{escape(words)}</title><rect class="{shade}" x="{left:.1f}" '
            f'y="{middle - BAR / 2:.1f}" width="{max(right - left, 1.0):.1f}" '
            f'height="{BAR:.0f}"/></g>'
        )
        from_ = at
    end = (
        f'<text class="soft" x="{scale.x(from_) + 8:.1f}" y="{middle + 4:.1f}">'
        f"{seconds_in_words(from_)}</text>"
    )
    title = f"{run.started[:16].replace('T', ' ')}, load {run.load:.0f}"
    return _row_label(title, middle) + "".join(parts) + end


def _legend(runs: Sequence[Run]) -> str:
    """Draw the legend: the colours of the phases, in their order."""
    names = [name for name in SHADES if any(name in run.phases for run in runs)]
    parts = []
    for place, name in enumerate(names):
        x = LABELS + place * 130
        parts.append(
            f'<rect class="{SHADES[name]}" x="{x:.0f}" y="6" width="12" height="12"/>'
            f'<text class="soft" x="{x + 18:.0f}" y="16">{escape(label(name))}</text>'
        )
    return "".join(parts)


def _row_label(words: str, middle: float) -> str:
    return f'<text class="end" x="{LABELS - 12:.0f}" y="{middle + 4:.1f}">{escape(words)}</text>'
