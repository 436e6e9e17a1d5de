"""A rollout as a page for people and as JSON for programs. No AWS; writes two files.

Every text in the page is escaped.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from deploy.cluster.client_downtime import Probe, downtimes, longest_downtime, probes_of
from deploy.release.rollout_journal import Entry, Journal
from deploy.report.axis import seconds_in_words
from deploy.report.page import figure, page, section
from deploy.report.timeline import hand_over_detail, timeline

FAILED = '<tr class="failed">'


def write_report(
    journal: Journal, folder: Path, samples: Iterable[tuple[float, bool]] = ()
) -> Path:
    """Write ``report.html`` and ``report.json`` into the folder; return the page.

    ``samples`` are a client's tries during the rollout: seconds since the epoch, and whether the
    try got an answer.
    """
    tries = probes_of(samples)
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "report.html"
    written.write_text(html_report(journal, tries), encoding="utf-8")
    data = json.dumps(json_report(journal, tries), indent=2)
    (folder / "report.json").write_text(f"{data}\n", encoding="utf-8")
    return written


def json_report(journal: Journal, tries: tuple[Probe, ...] = ()) -> dict[str, Any]:
    """Return the journal as plain data, with the gaps in which clients got no answer."""
    gap = longest_downtime(tries)
    return asdict(journal) | {
        "seconds": _seconds(journal),
        "clients": {
            "tries": len(tries),
            "unanswered": sum(not one.answered for one in tries),
            "gaps": [[one.began, one.ended] for one in downtimes(tries)],
            "longest_gap_seconds": gap.seconds if gap else 0.0,
        },
    }


def html_report(journal: Journal, tries: tuple[Probe, ...] = ()) -> str:
    """Return the page."""
    title = f"{journal.kind} of {journal.environment}: {journal.verdict}"
    parts = (
        _heading(journal),
        _reason(journal),
        _facts(journal, tries),
        section("Timeline", figure(timeline(journal, tries))),
        section("The hand-over in detail", figure(hand_over_detail(journal, tries))),
        section("Plan", _plan(journal.plan)),
        section("Steps", _table(journal.entries)),
        f"<footer>Raykiln, rollout <code>{escape(journal.id)}</code></footer>",
    )
    return page(title, parts)


def _heading(journal: Journal) -> str:
    kind = journal.verdict.replace(" ", "-")
    return (
        f'<h1><span class="verdict {kind}">{escape(journal.verdict)}</span>'
        f"{escape(journal.kind)} of {escape(journal.environment)}</h1>"
    )


def _reason(journal: Journal) -> str:
    if not journal.reason:
        return ""
    why = {"failed": "Why it failed", "rolled back": "Why it was rolled back"}
    heading = why.get(journal.verdict, "Note")
    return f'<div class="reason"><strong>{heading}</strong>{escape(journal.reason)}</div>'


def _facts(journal: Journal, tries: tuple[Probe, ...]) -> str:
    facts = {
        "Release": f"{_release(journal.from_release)} → {_release(journal.to_release)}",
        "By": escape(journal.actor),
        "When": _when(journal),
        "Took": seconds_in_words(_seconds(journal)),
    }
    if tries:
        facts["Clients"] = _clients(tries)
    rows = "".join(f"<dt>{name}</dt><dd>{words}</dd>" for name, words in facts.items())
    return f"<dl>{rows}</dl>"


def _release(name: str) -> str:
    return f'<span class="id">{escape(name)}</span>' if name else "nothing"


def _when(journal: Journal) -> str:
    began = f"{datetime.fromtimestamp(journal.began, UTC):%Y-%m-%d %H:%M:%S}"
    if journal.ended is None:
        return f"{began} UTC, end unknown"
    return f"{began} to {datetime.fromtimestamp(journal.ended, UTC):%H:%M:%S} UTC"


def _clients(tries: tuple[Probe, ...]) -> str:
    gap, unanswered = longest_downtime(tries), sum(not one.answered for one in tries)
    if gap is None:
        return f"each of {len(tries)} tries got an answer"
    words = f"at most {seconds_in_words(gap.seconds)} without an answer"
    if gap.ended is None:
        words = f"no answer for the last {seconds_in_words(gap.seconds)}"
    return f"{words}; {unanswered} of {len(tries)} tries failed"


def _seconds(journal: Journal) -> float:
    ends = [entry.ended for entry in journal.entries]
    return (journal.ended or max([journal.began, *ends])) - journal.began


def _plan(lines: tuple[str, ...]) -> str:
    if not lines:
        return "<p>There was nothing to change.</p>"
    rows = "".join(
        f'<li><span class="sign">{escape(line[:1])}</span>{escape(line[1:].strip())}</li>'
        for line in lines
    )
    return f'<ol class="plan">{rows}</ol>'


def _table(entries: tuple[Entry, ...]) -> str:
    if not entries:
        return "<p>No step was carried out.</p>"
    rows = "".join(
        f"{FAILED if entry.failed else '<tr>'}<td>{escape(entry.what)}</td>"
        f"<td>{escape(entry.outcome)}</td>"
        f'<td class="number">{seconds_in_words(entry.seconds)}</td></tr>'
        for entry in entries
    )
    heading = '<tr><th>Step</th><th>Outcome</th><th class="number">Time</th></tr>'
    return f"<table><thead>{heading}</thead><tbody>{rows}</tbody></table>"
