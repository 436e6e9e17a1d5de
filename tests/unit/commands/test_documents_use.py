"""The commands that add, ask and retry: what they print, and how they end."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commands import documents_use
from common.clients import Clients
from common.errors import PipelineError, Refused
from deploy.documents.question import Answer, Api
from deploy.documents.upload import Sent
from deploy.documents.watch import Ended, Watch
from documents.providers.interfaces import Passage
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.documents.test_pipeline import Here, create_stack
from tests.unit.documents.conftest import SetClock, make_resources
from tests.unit.documents.pipeline import Pipeline
from tests.unit.localcloud.conftest import a_world
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

PASSAGES = (
    Passage(("a.pdf", "b.pdf"), 2, "Terms", "Thirty\ndays.", 0.754),
    Passage(("c.pdf",), 1, "", "Sixty days.", 0.5),
)


@pytest.fixture
def clients() -> Iterator[Here]:
    clock = FakeClock()
    with a_world(clock, FakeDriver(clock)):
        make_resources()
        yield Here(clock)


@pytest.fixture
def deployed(clients: Clients) -> Callable[..., None]:
    """Deploys a pipeline, paused or not."""

    def deploy(paused: str = "false") -> None:
        create_stack(clients, json.dumps({"DOCUMENTS_TOKEN": "secret"}), paused)

    return deploy


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Ended:
    """How everything ends that is watched."""
    ended = Ended()

    def run(self: Watch, sent: list[Sent], patience: float = 0) -> Ended:
        return ended

    monkeypatch.setattr(Watch, "run", run)
    return ended


@pytest.fixture
def report(tmp_path: Path) -> str:
    (tmp_path / "report.txt").write_text("text")
    return str(tmp_path / "report.txt")


def test_a_document_that_fails_fails_the_command(
    deployed: Callable[..., None], ends: Ended, report: str
) -> None:
    deployed()
    ends.failed, ends.done = {"report.txt": "encrypted"}, {"a.txt": "done"}

    with pytest.raises(PipelineError, match=r"1 of 2 documents failed: report\.txt") as caught:
        documents_use.add_documents(an_environment(), [report], wait=True)
    assert caught.value.exit_code == 2


def test_what_is_added_to_a_paused_pipeline_is_uploaded_and_waits(
    clients: Clients,
    deployed: Callable[..., None],
    report: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deployed(paused="true")

    documents_use.add_documents(an_environment(), [report], wait=True)

    assert clients("s3").head_object(Bucket="bucket", Key="input/report.txt")["ContentLength"] == 4
    said = capsys.readouterr().out
    assert "1 uploaded" in said
    assert "The pipeline is paused: invoke documents.resume" in said


def test_a_paused_pipeline_is_not_asked(deployed: Callable[..., None]) -> None:
    deployed(paused="true")

    with pytest.raises(Refused, match="is paused"):
        documents_use.show_answer(an_environment(), "When?", 5, as_json=False)


@pytest.mark.parametrize("as_json", [False, True])
def test_an_answer_is_printed_with_its_sources(
    deployed: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    as_json: bool,
) -> None:
    def ask(self: Api, question: str, passages: int, heard: object = None) -> Answer:
        if callable(heard):
            heard("In [30] days [1].")
        return Answer(question, "openai", PASSAGES, "In [30] days [1].")

    deployed()
    monkeypatch.setattr(Api, "ask", ask)

    documents_use.show_answer(an_environment(), "When?", 5, as_json)

    said = capsys.readouterr().out
    if as_json:
        assert json.loads(said)["passages"][1]["sources"] == ["c.pdf"]
        return
    assert said.splitlines() == [
        "In [30] days [1].",
        "",
        "[1] a.pdf, b.pdf, page 2, Terms (0.75)",
        "    Thirty days.",
        "",
        "[2] c.pdf, page 1 (0.50)",
        "    Sixty days.",
    ]


def test_without_a_name_what_failed_is_listed_and_stays(
    clients: Clients,
    deployed: Callable[..., None],
    ends: Ended,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deployed()
    application = Pipeline(clients, SetClock())
    application.add("a.txt", "encrypted")

    documents_use.retry_documents(an_environment(), "", everything=False, wait=True)

    assert "encrypted: it opens only with a password" in capsys.readouterr().out
    assert application.keys("failed/") == {"failed/a.txt"}
    documents_use.retry_documents(an_environment(), "", everything=True, wait=True)
    assert application.keys("input/") == {"input/a.txt"}
    assert "1 of 1 that failed are back" in capsys.readouterr().out
