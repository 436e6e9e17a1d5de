"""The document pipeline in a group of a cluster: deployed, used, and used again after its head.

Each test continues where the one before it stopped.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from documents.quality.plain_pdf import plain_pdf
from localcloud import control
from tests.cloud.cluster_facts import ONE_GROUP
from tests.cloud.harness import eventually, home, require_machines
from tests.marks import THOROUGH_ONLY

pytestmark = THOROUGH_ONLY

ROOT = Path(__file__).resolve().parents[2]
Invoke = Callable[..., "subprocess.CompletedProcess[str]"]
GROUP = """
[workers.documents]
instance_types = ["m6i.large"]
min = 1
max = 2
"""
CHANGES = {
    "[network]\n": "[network]\nnat = true\n",
    "[image]\n": "[image]\ndocuments = true\n",
    ONE_GROUP: GROUP,
}
QUESTION = "When was the lighthouse of Norvik built?"


@pytest.fixture(scope="module")
def invoke(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Invoke]:
    """Invoke for an environment whose documents run on its cluster, in a local cloud of its own."""
    require_machines()
    folder = tmp_path_factory.mktemp("on-ec2")
    text, _, _ = (ROOT / "environments/local.toml").read_text().partition("\n[documents]")
    for before, after in CHANGES.items():
        assert text.count(before) == 1
        text = text.replace(before, after)
    (folder / "local.toml").write_text(f'{text}\n[documents]\nruns_on = "ec2"\n')
    with home(folder / "home"):
        control.up()

        def run(*arguments: str, code: int | None = 0) -> "subprocess.CompletedProcess[str]":
            env = ("--env", str(folder / "local"))
            command = [sys.executable, "-m", "commands", *arguments, *env]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            words = f"{arguments}:\n{done.stdout[-4000:]}{done.stderr}"
            assert code is None or done.returncode == code, words
            return done

        try:
            yield run
        finally:
            control.down()


def sources(invoke: Invoke, question: str) -> list[str]:
    """Return the documents of the first passage of an answer."""
    found = json.loads(invoke("documents.ask", question, "--json").stdout)
    return list(found["passages"][0]["sources"])


def test_without_the_cluster_it_is_refused_and_says_what_to_do(invoke: Invoke) -> None:
    refused = invoke("documents.deploy", "--yes", code=1).stderr

    assert "there is no cluster of local to run on" in refused
    assert "./run.sh bake --env local, then ./run.sh deploy --env local" in refused


def test_it_is_deployed_to_a_group_and_answers(invoke: Invoke, tmp_path: Path) -> None:
    invoke("bake")
    invoke("deploy", "--yes")

    done = invoke("documents.deploy", "--yes")

    assert (
        "1 workers alive in Ray, the API answers 200; a document was answered from" in done.stdout
    )
    (tmp_path / "lighthouse.pdf").write_bytes(
        plain_pdf(["The lighthouse of Norvik was built in 1887 and is 41 metres high."])
    )
    invoke("documents.add", "--file", str(tmp_path / "lighthouse.pdf"))
    assert sources(invoke, QUESTION) == ["lighthouse.pdf"]


def test_every_check_passes(invoke: Invoke) -> None:
    checks = json.loads(invoke("documents.verify", "--json").stdout)

    assert [one["name"] for one in checks if not one["passed"]] == []


def test_it_answers_again_after_the_loss_of_its_head(invoke: Invoke, tmp_path: Path) -> None:
    before = json.loads(invoke("status", "--json").stdout)

    invoke("verify", "--destructive", "--yes", "--json")

    assert json.loads(invoke("status", "--json").stdout)["leader"] != before["leader"]
    (tmp_path / "mill.pdf").write_bytes(plain_pdf(["The mill of Torsby closes on Sundays."]))
    invoke("documents.add", "--file", str(tmp_path / "mill.pdf"))
    ask = ("documents.ask", QUESTION)
    eventually("answers", lambda: invoke(*ask, code=None).returncode == 0)
    assert sources(invoke, QUESTION) == ["lighthouse.pdf"]
    assert sources(invoke, "When does the mill of Torsby close?") == ["mill.pdf"]


def test_the_cluster_goes_after_its_documents(invoke: Invoke) -> None:
    refused = invoke("destroy", "--yes", code=1).stderr
    assert "the documents of local run on its cluster" in refused

    invoke("documents.destroy", "--name", "local")
    invoke("destroy", "--yes")
