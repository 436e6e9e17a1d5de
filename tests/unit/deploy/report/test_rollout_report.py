"""The report: as the journal, escaped, self-contained, with the gap that clients saw."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from deploy.cluster.client_downtime import downtimes, longest_downtime, probes_of
from deploy.release.rollout_journal import Entry, Journal
from deploy.report.axis import seconds_in_words
from deploy.report.rollout_report import html_report, json_report, write_report
from deploy.report.timeline import hand_over_detail, timeline

BEGAN = 1_795_328_495.0  # 2026-11-22 06:21:35 UTC
SVG = "{http://www.w3.org/2000/svg}"


def a_journal() -> Journal:
    """Return the journal of a rollout with a hand-over after 76 s."""
    steps = (
        ("launch template ray-head-dev", "template", 0, 1.2, "lt-1 version 8"),
        ("group ray-head-asg-dev", "group", 1.2, 0.8, "2 of version 8"),
        ("wait for the new head", "await-standby", 2, 74, "i-new in service"),
        ("hand the lease over to i-new", "hand-over", 76, 6.5, "i-new leads, epoch 8"),
        ("verify the cluster", "verify", 82.5, 40, "8 checks passed"),
        ("head i-old", "terminate-heads", 122.5, 2, "the group keeps i-new"),
    )
    return Journal(
        id="20261122T062135Z-bbbbbbbb",
        environment="dev",
        kind="deploy",
        from_release="a" * 16,
        to_release="b" * 16,
        actor="anna@laptop",
        began=BEGAN,
        ended=BEGAN + 125,
        verdict="done",
        reason="",
        plan=("~ launch template ray-head-dev: image ami-1 → ami-2", "- head i-old: of version 7"),
        entries=tuple(
            Entry(what, kind, BEGAN + after, seconds, outcome)
            for what, kind, after, seconds, outcome in steps
        ),
    )


def samples(down: tuple[float, float], until: float = 125) -> list[tuple[float, bool]]:
    """Return a try every half second, unanswered within ``down``."""
    times = [tick / 2 for tick in range(int(until * 2))]
    return [(BEGAN + at, not down[0] <= at <= down[1]) for at in times]


def parsed(page: str) -> ElementTree.Element:
    """Return the page, parsed strictly."""
    return ElementTree.fromstring(page)  # noqa: S314 - our own


def text_of(page: str) -> str:
    """Return the text of the page, without its style."""
    body = parsed(page).find("body")
    assert body is not None
    return " ".join(" ".join(body.itertext()).split())


def test_names_kind_releases_actor_times_and_duration() -> None:
    words = text_of(html_report(a_journal()))

    for fact in (
        "done deploy of dev",
        f"{'a' * 16} → {'b' * 16}",
        "anna@laptop",
        "2026-11-22 06:21:35 to 06:23:40 UTC",
        "Took 2:05 min",
        "image ami-1 → ami-2",
        "hand the lease over to i-new",
        "i-new leads, epoch 8",
    ):
        assert fact in words


def test_writes_two_files(tmp_path: Path) -> None:
    page = write_report(a_journal(), tmp_path / "deep" / "down", samples((77, 79)))

    data = json.loads((page.parent / "report.json").read_text())
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert data["verdict"] == "done"
    assert data["seconds"] == 125
    assert data["entries"][3]["kind"] == "hand-over"
    assert data["clients"] == {
        "tries": 250,
        "unanswered": 5,
        "gaps": [[BEGAN + 76.5, BEGAN + 79.5]],
        "longest_gap_seconds": 3.0,
    }


def test_a_failure_comes_first() -> None:
    failed = replace(
        a_journal(), verdict="rolled back", reason="verify: no leader\nlog: <no leader>"
    )
    words = text_of(html_report(failed))

    assert "Why it was rolled back verify: no leader log: <no leader>" in words
    assert words.index("no leader") < words.index("anna@laptop")


def test_a_failed_step_is_marked() -> None:
    failed = Entry("wait for the new head", "await-standby", BEGAN + 2, 900, "failed: no ENI left")
    page = html_report(replace(a_journal(), entries=(failed,), verdict="failed", reason="no ENI"))

    assert [row.get("class") for row in parsed(page).iter("tr")][1:] == ["failed"]
    assert [bar.get("class") for bar in parsed(page).iter(f"{SVG}rect")] == ["failed"]


def test_escapes_every_text() -> None:
    evil = "<script>alert('1')</script>\x1b[31m & \"quotes\""
    journal = replace(
        a_journal(),
        environment=evil,
        kind=evil,
        actor=evil,
        reason=evil,
        from_release=evil,
        plan=(evil,),
        entries=(Entry(evil, evil, BEGAN, 1, evil),),
    )
    page = html_report(journal, probes_of(samples((3, 4))))

    assert "<script" not in page
    assert "\x1b" not in page
    assert text_of(page).count("<script>alert('1')</script>[31m & \"quotes\"") >= 8


def test_the_page_fetches_nothing_and_runs_no_script() -> None:
    page = html_report(a_journal(), probes_of(samples((77, 79))))

    places = page.replace("http://www.w3.org/2000/svg", "")
    assert not [word for word in ("http", "src=", "url(", "@import", "<script") if word in places]
    assert {"prefers-color-scheme: dark", "@media print"} <= {
        word for word in ("prefers-color-scheme: dark", "@media print") if word in page
    }


def test_each_step_has_a_bar_at_its_time() -> None:
    picture = ElementTree.fromstring(timeline(a_journal()))  # noqa: S314 - our own
    bars = [
        (bar.get("class"), float(bar.get("x", "")), float(bar.get("width", "")))
        for bar in picture.iter(f"{SVG}rect")
    ]

    assert [name for name, _, _ in bars] == ["work", "work", "wait", "hand-over", "wait", "work"]
    for (_, left, width), (_, next_left, _) in pairwise(bars[2:]):
        assert left + width == pytest.approx(next_left, abs=0.2)
    assert bars[2][2] / bars[4][2] == pytest.approx(74 / 40, rel=0.01)


def test_marks_the_gap_only_with_a_hand_over() -> None:
    tries = probes_of(samples((77, 79)))
    without = replace(a_journal(), entries=a_journal().entries[:3])

    assert "no answer 3.0 s" in timeline(a_journal(), tries)
    assert 'class="gap"' not in timeline(a_journal())
    assert 'class="gap"' not in timeline(without, tries)
    assert "clients answered" in timeline(without, tries)


def test_a_short_hand_over_in_a_long_rollout_gets_a_detail() -> None:
    long = replace(
        a_journal(),
        entries=(*a_journal().entries, Entry("replace 40 workers", "", BEGAN + 125, 3600, "done")),
    )
    tries = probes_of(samples((77, 79), until=3600))
    near = hand_over_detail(long, tries)
    bars = [bar.get("class") for bar in ElementTree.fromstring(near).iter(f"{SVG}rect")]  # noqa: S314

    assert "no answer 3.0 s" in near
    assert bars == ["gap", "wait", "hand-over", "wait", "answered", "failed"]
    assert "The hand-over in detail" in text_of(html_report(long, tries))
    assert hand_over_detail(a_journal(), probes_of(samples((77, 79)))) == ""
    assert "in detail" not in html_report(a_journal())


def test_says_what_clients_saw() -> None:
    everything = html_report(a_journal(), probes_of(samples((-1, -1))))
    some = html_report(a_journal(), probes_of(samples((77, 79))))
    nothing_more = html_report(a_journal(), probes_of(samples((100, 200))))

    assert "each of 250 tries got an answer" in everything
    assert "at most 3.0 s without an answer; 5 of 250 tries failed" in some
    assert "no answer for the last 25 s" in nothing_more


def test_a_killed_rollout_has_a_report() -> None:
    journal = replace(a_journal(), verdict="running", ended=None)

    assert "end unknown" in html_report(journal)
    assert json_report(journal)["seconds"] == pytest.approx(124.5)


def test_a_rollout_without_steps_has_a_report() -> None:
    journal = replace(a_journal(), entries=(), plan=(), ended=BEGAN)

    assert "No step was carried out" in text_of(html_report(journal))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (119, "119 s"), (125, "2:05 min"),
     (3600, "60:00 min"), (7300, "2:01 h")],
)  # fmt: skip
def test_a_length_of_time_in_words(seconds: float, words: str) -> None:
    assert seconds_in_words(seconds) == words


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ("", []),
        ("yyyy", []),
        ("yynnyy", [(1, 4)]),
        ("nnyy", [(0, 2)]),
        ("yynn", [(1, None)]),
        ("ynynny", [(0, 2), (2, 5)]),
    ],
)
def test_a_gap_is_from_the_last_answer_to_the_next(
    answers: str, found: list[tuple[float, float | None]]
) -> None:
    tries = probes_of((float(at), one == "y") for at, one in enumerate(answers))

    assert [(gap.began, gap.ended) for gap in downtimes(tries)] == found
    worst = longest_downtime(tries)
    assert (worst.seconds if worst else 0) == max(
        ((end or len(answers) - 1) - begin for begin, end in found), default=0
    )


def test_the_page_has_these_facts_this_plan_and_these_steps() -> None:
    page = html_report(replace(a_journal(), verdict="rolled back", reason="a < b"))

    assert (
        '<body>\n<h1><span class="verdict rolled-back">rolled back</span>deploy of dev</h1>\n'
        '<div class="reason"><strong>Why it was rolled back</strong>a &lt; b</div>\n'
        '<dl><dt>Release</dt><dd><span class="id">aaaaaaaaaaaaaaaa</span> → '
        '<span class="id">bbbbbbbbbbbbbbbb</span></dd><dt>By</dt><dd>anna@laptop</dd>'
        "<dt>When</dt><dd>2026-11-22 06:21:35 to 06:23:40 UTC</dd>"
        "<dt>Took</dt><dd>2:05 min</dd></dl>\n<h2>Timeline</h2>\n" in page
    )
    steps = (
        ("launch template ray-head-dev", "lt-1 version 8", "1.2 s"),
        ("group ray-head-asg-dev", "2 of version 8", "0.8 s"),
        ("wait for the new head", "i-new in service", "74 s"),
        ("hand the lease over to i-new", "i-new leads, epoch 8", "6.5 s"),
        ("verify the cluster", "8 checks passed", "40 s"),
        ("head i-old", "the group keeps i-new", "2.0 s"),
    )
    rows = "".join(
        f'<tr><td>{what}</td><td>{outcome}</td><td class="number">{took}</td></tr>'
        for what, outcome, took in steps
    )
    assert page.endswith(
        '<h2>Plan</h2>\n<ol class="plan"><li><span class="sign">~</span>launch template '
        'ray-head-dev: image ami-1 → ami-2</li><li><span class="sign">-</span>head i-old: of '
        "version 7</li></ol>\n<h2>Steps</h2>\n<table><thead><tr><th>Step</th><th>Outcome</th>"
        f'<th class="number">Time</th></tr></thead><tbody>{rows}</tbody></table>\n'
        "<footer>Raykiln, rollout <code>20261122T062135Z-bbbbbbbb</code></footer>\n</body></html>\n"
    )


def test_a_failed_rollout_says_why() -> None:
    page = html_report(replace(a_journal(), verdict="failed", reason="no head came up"))

    assert '<span class="verdict failed">failed</span>' in page
    assert "<strong>Why it failed</strong>no head came up" in page
