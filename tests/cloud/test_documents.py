"""The document pipeline, with the commands an operator types: deploy, use, pause, destroy.

Each test continues where the one before it stopped.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from documents.quality.plain_pdf import plain_pdf
from localcloud import control
from tests.cloud.connection import Shell, connected_to_documents, printed_by
from tests.cloud.harness import home, require_machines

ROOT = Path(__file__).resolve().parents[2]
Invoke = Callable[..., "subprocess.CompletedProcess[str]"]
FACTS = {
    "lighthouse.pdf": "The lighthouse of Norvik was built in 1887 and is 41 metres high.",
    "bridge.pdf": "The bridge of Aldmere has seven arches and was opened by a queen.",
    "mill.pdf": "The mill of Torsby grinds oats and rye, and closes on Sundays.",
}
# In the head's container, with its role.
NO_SHELL = """
import boto3
from botocore.exceptions import ClientError
asked = {"cluster": "ray-documents-local", "task": "0" * 32, "command": "sh", "interactive": True}
try:
    boto3.client("ecs").execute_command(**asked)
except ClientError as error:
    print("answered", error.response["Error"]["Code"])
"""
LATER = "The harbour of Selje freezes in February, and a ship breaks the ice."


@pytest.fixture(scope="module")
def invoke(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Invoke]:
    """Invoke in a local cloud of its own, as ./run.sh does."""
    require_machines()
    with home(tmp_path_factory.mktemp("documents") / "home"):
        control.up()

        def run(*arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
            command = [sys.executable, "-m", "commands", *arguments]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == code, f"{arguments}:\n{done.stdout[-4000:]}{done.stderr}"
            return done

        try:
            yield run
        finally:
            control.down()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three PDFs."""
    folder = tmp_path_factory.mktemp("pdfs")
    for name, fact in FACTS.items():
        (folder / name).write_bytes(plain_pdf([fact]))
    return folder


def status(invoke: Invoke, code: int = 0) -> dict[str, Any]:
    return dict(json.loads(invoke("documents.status", "--json", code=code).stdout))


def answer(invoke: Invoke, question: str) -> dict[str, Any]:
    return dict(json.loads(invoke("documents.ask", question, "--json").stdout))


def test_before_a_deploy_there_is_nothing_and_it_says_what_to_do(invoke: Invoke) -> None:
    assert "./run.sh documents.deploy" in invoke("documents.status", code=1).stderr
    assert "there are none" in invoke("documents.destroy").stdout


def test_a_deploy_from_nothing_is_in_use(invoke: Invoke) -> None:
    done = invoke("documents.deploy", "--yes")

    assert "create the stack ray-documents-local" in done.stdout
    assert (
        "1 workers alive in Ray, the API answers 200; a document was answered from" in done.stdout
    )
    found = status(invoke)
    assert [(one["running"], one["desired"]) for one in found["services"]] == [(1, 1), (1, 1)]
    assert found["ray"] == "the head and 1 workers are alive"
    assert found["problems"] == []


def test_the_same_is_not_deployed_twice(invoke: Invoke) -> None:
    assert "nothing to change" in invoke("documents.deploy", "--yes").stdout


def test_every_check_passes_and_the_document_of_the_check_is_gone(invoke: Invoke) -> None:
    checks = json.loads(invoke("documents.verify", "--json").stdout)

    assert [(one["name"], one["passed"]) for one in checks] == [
        (name, True)
        for name in (
            *("resources", "bucket", "tables", "function", "services", "Ray", "API"),
            *("upload", "document", "answer", "removal", "no answer"),
        )
    ]


def test_documents_are_added_and_answered_from(invoke: Invoke, files: Path) -> None:
    invoke("documents.add", str(files))

    said = answer(invoke, "How high is the lighthouse of Norvik?")
    assert said["passages"][0]["sources"] == [f"{files.name}/lighthouse.pdf"]
    assert "41 metres" in said["text"]
    assert status(invoke)["documents"]["DONE"] == 3


def test_the_page_and_the_dashboard_are_opened_on_this_machine(invoke: Invoke) -> None:
    with connected_to_documents() as connection:
        text = "\n".join(connection.said)
        page, dashboard = re.findall(r"http://127\.0\.0\.1:\d+", text)
        assert re.search(r"connected to ecs:\S+ through Session Manager after", text)

        http = urllib3.PoolManager(retries=False, timeout=30)
        assert b"<title>Documents</title>" in http.request("GET", f"{page}/").data
        # Ray's token is asked for.
        assert http.request("GET", f"{dashboard}/api/version").status == 401


def test_a_shell_is_one_in_the_heads_container(invoke: Invoke) -> None:
    printed = printed_by("sh", "-c", "id -un; tr '\\0' ' ' </proc/1/cmdline; uname -n; tty")

    assert "root\ntini -- python3 -m documents.node head ip-" in printed
    assert re.search(r"\n/dev/pts/\d+\n", printed)
    assert "Exiting session with sessionId: ecs-execute-command-" in printed


def test_a_shell_takes_what_is_typed_and_the_heads_role_may_open_none(invoke: Invoke) -> None:
    shell = Shell()
    try:
        shell.sees("# ")
        shell.types("echo $((6 * 7)) $ENVIRONMENT_NAME")
        shell.sees("42 local")
        shell.types(f"python3 -c '{NO_SHELL}'")
        shell.sees("answered AccessDeniedException")
        shell.types("exit")
        shell.sees("Exiting session")
    finally:
        shell.close()


def test_new_tasks_answer_from_the_same_documents(invoke: Invoke) -> None:
    before = status(invoke)

    invoke("documents.deploy", "--yes", "--force")

    assert "seven arches" in answer(invoke, "How many arches has the bridge of Aldmere?")["text"]
    assert status(invoke)["image"] == before["image"]


def test_what_comes_in_a_pause_waits_for_its_end(invoke: Invoke, tmp_path: Path) -> None:
    invoke("documents.pause", "--yes")
    found = status(invoke)
    assert found["is_paused"]
    assert [one["running"] for one in found["services"]] == [0, 0]
    (tmp_path / "harbour.txt").write_text(LATER)
    assert "paused" in invoke("documents.add", str(tmp_path / "harbour.txt")).stdout
    assert "is paused" in invoke("documents.ask", "When does it freeze?", code=1).stderr

    invoke("documents.resume", "--yes")

    invoke("documents.add", str(tmp_path / "harbour.txt"))
    assert "February" in answer(invoke, "When does the harbour of Selje freeze?")["text"]


def test_a_destroy_asks_for_the_name_and_leaves_nothing(invoke: Invoke) -> None:
    refused = invoke("documents.destroy", code=1)
    assert "documents in the tables: 4 DONE" in refused.stdout
    assert "Nothing was changed" in refused.stderr
    assert status(invoke)["problems"] == []

    invoke("documents.destroy", "--name", "local")

    assert "there are none" in invoke("documents.destroy").stdout
    assert "instances" not in invoke("cloud.status").stdout
