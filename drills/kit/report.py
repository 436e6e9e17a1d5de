"""Report all recorded drills, as a page for people and as JSON for programs. No AWS.

The page is a single file, as a rollout's report is. Figures are those of the runs that held; each
run that failed is listed with its reason.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from common.errors import Refused
from deploy.report.axis import seconds_in_words
from deploy.report.page import figure, page, section
from drills.kit.phases import label
from drills.kit.plots import recoveries, spread
from drills.kit.record import FOLDER, Run, quantile, runs

SHARES = {"p50": 0.5, "p95": 0.95, "max": 1.0}
NEWEST = 20  # recoveries drawn for each drill


def write_report(home: Path) -> Path:
    """Write ``report.html`` and ``report.json`` beside the record; return the page.

    Raises Refused when no run is recorded.
    """
    found = runs(home)
    if not found:
        raise Refused(f"no drill is on record in {home / FOLDER}", hint="invoke drill --list")
    written = home / FOLDER / "report.html"
    written.write_text(html_report(found), encoding="utf-8")
    data = json.dumps(json_report(found), indent=2)
    (home / FOLDER / "report.json").write_text(f"{data}\n", encoding="utf-8")
    return written


def figures_of(found: Sequence[Run]) -> dict[str, list[float]]:
    """Return the values of each figure, in seconds, over the runs that held."""
    figures: dict[str, list[float]] = {}
    for run in (run for run in found if run.held):
        for name, value in {**run.phases, "gap of a client": run.gap, **run.figures}.items():
            figures.setdefault(name, []).append(value)
    return figures


def summary(values: Sequence[float]) -> dict[str, float]:
    """Return p50, p95 and max."""
    return {name: quantile(values, share) for name, share in SHARES.items()}


def json_report(found: dict[str, tuple[Run, ...]]) -> dict[str, Any]:
    """Return the report as plain data."""
    return {
        name: {
            "runs": len(of_drill),
            "held": sum(run.held for run in of_drill),
            "seconds": {f: summary(values) for f, values in figures_of(of_drill).items()},
            "record": [asdict(run) for run in of_drill],
        }
        for name, of_drill in found.items()
    }


def html_report(found: dict[str, tuple[Run, ...]]) -> str:
    """Return the page."""
    count = sum(map(len, found.values()))
    held = sum(run.held for of_drill in found.values() for run in of_drill)
    verdict = "held" if held == count else "failed"
    kind = "done" if held == count else "failed"
    parts = [
        f'<h1><span class="verdict {kind}">{verdict}</span>Drills</h1>',
        f"<p>{held} of {count} runs of {len(found)} drills held. Seconds since the fault.</p>",
        section("All drills", _overview(found)),
        *(section(escape(name), _drill(name, of_drill)) for name, of_drill in found.items()),
        "<footer>Raykiln, drills</footer>",
    ]
    return page("Drills", parts)


def _overview(found: dict[str, tuple[Run, ...]]) -> str:
    rows = []
    for name, of_drill in found.items():
        held = sum(run.held for run in of_drill)
        gaps = figures_of(of_drill).get("gap of a client", [])
        figures = summary(gaps).values() if gaps else ("", "", "")
        cells = "".join(f'<td class="number">{_words(value)}</td>' for value in figures)
        start = "<tr>" if held == len(of_drill) else '<tr class="failed">'
        rows.append(
            f'{start}<td>{escape(name)}</td><td class="number">{held} of {len(of_drill)}</td>'
            f"{cells}</tr>"
        )
    heads = "".join(f'<th class="number">gap {name}</th>' for name in SHARES)
    return _table(f'<th>Drill</th><th class="number">Held</th>{heads}', rows)


def _drill(name: str, of_drill: Sequence[Run]) -> str:
    figures, phased = figures_of(of_drill), [run for run in of_drill if run.phases][-NEWEST:]
    parts = [_figures(figures)] if figures else []
    if figures:
        parts.append(figure(spread(f"{name}: distribution of each figure", figures)))
    if phased:
        parts.append("<p>Each recovery, by phase:</p>")
        parts.append(figure(recoveries(f"{name}: each recovery", phased)))
    parts += [
        f'<div class="reason"><strong>{escape(run.started)}: {escape("; ".join(run.broken))}'
        f"</strong>{escape(run.seen)}</div>"
        for run in of_drill
        if not run.held
    ]
    return "\n".join(parts)


def _figures(figures: dict[str, list[float]]) -> str:
    rows = [
        f'<tr><td>{escape(label(name))}</td><td class="number">{len(values)}</td>'
        + "".join(f'<td class="number">{_words(v)}</td>' for v in summary(values).values())
        + "</tr>"
        for name, values in figures.items()
    ]
    heads = "".join(f'<th class="number">{name}</th>' for name in SHARES)
    return _table(f'<th>Figure</th><th class="number">Runs</th>{heads}', rows)


def _table(heads: str, rows: Sequence[str]) -> str:
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _words(value: float | str) -> str:
    return value if isinstance(value, str) else seconds_in_words(value)
