"""What the tasks do beside calling: here, leave a report of what was done."""

import json
from pathlib import Path

import pytest

from deploy.release.rollout_journal import begin_journal
from tasks import print_report


def test_a_rollout_leaves_a_page_and_data_in_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYKILN_HOME", str(tmp_path))
    journal = begin_journal("dev", "deploy", from_release="", to_release="a1", plan=(), now=0)

    print_report(journal.closed("failed", 9.0, "nobody leads"))

    folder = tmp_path / "rollouts" / journal.id
    assert json.loads((folder / "report.json").read_text())["reason"] == "nobody leads"
    assert "nobody leads" in (folder / "report.html").read_text()


def test_where_nothing_was_begun_there_is_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYKILN_HOME", str(tmp_path))

    print_report(None)

    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_does_not_hide_how_a_rollout_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rollouts").write_text("a file in its place")
    monkeypatch.setenv("RAYKILN_HOME", str(tmp_path))

    print_report(begin_journal("dev", "deploy", from_release="", to_release="a", plan=(), now=0))
