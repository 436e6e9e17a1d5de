"""The demo of the document pipeline: what it runs, and that a wrong page fails it."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from commands import documents_demo, project
from common.errors import PipelineError

RIGHT = {"sources": ["contract.pdf"], "page": 2, "text": "at least forty-five days before the end"}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is run, which is not run here; files must be there at that moment."""
    found: list[list[str]] = []

    def run_shown(arguments: str) -> float:
        words = shlex.split(arguments)
        assert all(Path(word).is_file() for word in words if word.endswith(".pdf"))
        found.append([word for word in words if not word.endswith(".pdf")])
        return 1.0

    monkeypatch.setattr(project, "run_shown", run_shown)
    return found


def answer(monkeypatch: pytest.MonkeyPatch, *passages: dict[str, Any]) -> None:
    said = json.dumps({"passages": passages})

    def run(command: list[str], **_: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess(command, 0, said, "")

    monkeypatch.setattr(subprocess, "run", run)


def test_it_deploys_adds_asks_and_removes_what_was_not_there_before(
    ran: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents_demo, "is_up", lambda: False)
    answer(monkeypatch, RIGHT)

    times = documents_demo.demo_documents()

    assert [words[0] for words in ran] == [
        "cloud.up",
        "documents.deploy",
        "documents.add",
        "documents.ask",
        "documents.destroy",
        "cloud.down",
    ]
    assert len(times) == 7


def test_a_cloud_that_was_up_stays(ran: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents_demo, "is_up", lambda: True)
    answer(monkeypatch, RIGHT)

    documents_demo.demo_documents()

    assert ran[-1][0] == "documents.destroy"


@pytest.mark.parametrize(
    "first",
    [{"page": 1}, {"sources": ["report.pdf"]}, {"text": "forty-five years"}, None],
)
def test_another_page_fails_it(
    ran: list[list[str]], monkeypatch: pytest.MonkeyPatch, first: dict[str, Any] | None
) -> None:
    monkeypatch.setattr(documents_demo, "is_up", lambda: False)
    answer(monkeypatch, *([] if first is None else [{**RIGHT, **first}]))

    with pytest.raises(PipelineError, match=r"not from page 2 of contract\.pdf"):
        documents_demo.demo_documents()
