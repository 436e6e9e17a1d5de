"""What a person is left with after a rollout: its report."""

import json
from pathlib import Path

import pytest

from commands.rollout import print_report
from deploy.release.rollout_journal import begin_journal


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands write to."""
    monkeypatch.setenv("RAYKILN_HOME", str(tmp_path))
    return tmp_path


def test_a_rollout_leaves_a_page_and_json_in_its_own_folder(home: Path) -> None:
    journal = begin_journal("dev", "deploy", from_release="", to_release="a1", plan=(), now=0)

    print_report(journal.closed("failed", 9.0, "no leader"))

    folder = home / "rollouts" / journal.id
    assert json.loads((folder / "report.json").read_text())["reason"] == "no leader"
    assert "no leader" in (folder / "report.html").read_text()


def test_a_rollout_that_did_not_begin_has_no_report(home: Path) -> None:
    print_report(None)

    assert list(home.iterdir()) == []


def test_a_report_that_cannot_be_written_does_not_hide_how_the_rollout_ended(home: Path) -> None:
    (home / "rollouts").write_text("a file in its place")

    print_report(begin_journal("dev", "deploy", from_release="", to_release="a", plan=(), now=0))
