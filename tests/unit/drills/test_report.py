"""The report of all drills agrees with the record, is well-formed XML, and is escaped."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from common.errors import Refused
from drills.kit.record import Run, append
from drills.kit.report import html_report, json_report, write_report

RUN = Run(
    started="2026-01-02T03:04:05+00:00",
    drill="gcs_killed",
    environment="local",
    broken=("SIGKILL to gcs_server on i-1",),
    phases={"lease let go": 1.5, "lease taken": 4.0, "workers back": 12.0},
    gap=9.0,
    load=1.2,
    verdict="held",
    figures={"whole again": 14.0},
)
FAILED = replace(RUN, verdict="failed", seen="<1 of 2> workers", gap=600.0)


def test_figures_are_those_of_the_runs_that_held() -> None:
    slower = replace(RUN, gap=11.0)

    report = json_report({"gcs_killed": (RUN, slower, FAILED)})["gcs_killed"]

    assert (report["runs"], report["held"]) == (3, 2)
    assert report["seconds"]["gap of a client"] == {"p50": 9.0, "p95": 11.0, "max": 11.0}
    assert report["record"][2]["seen"] == "<1 of 2> workers"


def test_the_page_draws_each_drill_and_lists_each_failure() -> None:
    text = html_report({"gcs_killed": (RUN, FAILED), "power_lost": (RUN,)})
    page = ElementTree.fromstring(text)  # noqa: S314 - our own

    pictures = page.findall(".//{http://www.w3.org/2000/svg}svg")
    words = " ".join(page.itertext())
    assert len(pictures) == 4
    assert "2 of 3 runs of 2 drills held" in words
    assert "<1 of 2> workers" in words
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_drill_that_never_held_is_listed_without_figures() -> None:
    text = html_report({"gcs_killed": (replace(FAILED, phases={}),)})

    assert "0 of 1 runs of 1 drills held" in text
    assert "<svg" not in text


def test_page_and_data_are_written_next_to_the_record(tmp_path: Path) -> None:
    append(tmp_path, RUN)

    page = write_report(tmp_path)

    assert page == tmp_path / "drills" / "report.html"
    assert json.loads(page.with_suffix(".json").read_text())["gcs_killed"]["held"] == 1


def test_without_a_record_there_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no drill is on record"):
        write_report(tmp_path)
