"""A soak as a page: each turn, and a plot of each value that must not grow. Pure."""

from collections.abc import Sequence
from html import escape

from deploy.report.axis import FOOT, LABELS, TOP, Scale, axis, drawing, seconds_in_words
from deploy.report.page import figure, page, section
from drills.kit.record import Run
from drills.soak.growth import MAY_GROW, Reading, grown, too_few

HEIGHT = 60.0


def html_report(
    environment: str, seed: int, runs: Sequence[Run], readings: Sequence[Reading]
) -> str:
    """Return the page."""
    growth, held = grown(readings), all(run.held for run in runs)
    few = too_few(readings)
    verdict, kind = ("failed", "failed") if growth or not held else ("held", "done")
    if few and held:
        verdict, kind = "too short", "failed"
    lasted = readings[-1].at if readings else 0.0
    names = dict.fromkeys(name for reading in readings for name in reading.values)
    parts = [
        f'<h1><span class="verdict {kind}">{verdict}</span>Soak of {escape(environment)}</h1>',
        f"<p>{len(runs)} turns in {seconds_in_words(lasted)}, seed {seed}. "
        f"{escape('; '.join(map(str, growth)) or few or 'Nothing grew.')}</p>",
        section("What must not grow", "".join(figure(plot(name, readings)) for name in names)),
        section("Turns", _turns(runs)),
        "<footer>Raykiln, soak</footer>",
    ]
    return page(f"Soak of {environment}", parts)


def plot(name: str, readings: Sequence[Reading]) -> str:
    """Draw a value over time; its least and most are at the left."""
    points = [(one.at, one.values[name]) for one in readings if name in one.values]
    least, most = min(value for _, value in points), max(value for _, value in points)
    scale = Scale(0.0, max(at for at, _ in points) + 1.0, 0.0)

    def y(value: float) -> float:
        return TOP + HEIGHT * (1.0 - (value - least) / ((most - least) or 1.0))

    line = " ".join(f"{scale.x(at):.1f},{y(value):.1f}" for at, value in points)
    dots = "".join(
        f'<circle class="work" cx="{scale.x(at):.1f}" cy="{y(value):.1f}" r="3">'
        f"<title>{value:.0f} at {seconds_in_words(at)}</title></circle>"
        for at, value in points
    )
    words = f"{name} (may grow)" if name in MAY_GROW else name
    labels = "".join(
        f'<text class="end" x="{LABELS - 12:.0f}" y="{at:.1f}">{escape(text)}</text>'
        for at, text in ((TOP + 4, f"{words}: {least:.0f} to {most:.0f}"),)
    )
    path = f'<polyline points="{line}" fill="none" stroke="currentColor" opacity=".5"/>'
    bottom = TOP + HEIGHT
    return drawing(f"{name} over time", bottom + FOOT, [axis(scale, bottom), path, dots, labels])


def _turns(runs: Sequence[Run]) -> str:
    rows = "".join(
        f'<tr class="{"" if run.held else "failed"}"><td>{escape(run.started)}</td>'
        f"<td>{escape(run.drill)}</td><td>{escape('; '.join(run.broken))}</td>"
        f'<td class="number">{seconds_in_words(run.gap)}</td><td>{escape(run.seen)}</td></tr>'
        for run in runs
    )
    heads = "<th>Began</th><th>Drill</th><th>Broken</th><th>Gap of a client</th><th></th>"
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
