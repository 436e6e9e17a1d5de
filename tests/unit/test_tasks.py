"""The menu: quick to show, and free of the local cloud when the environment is on AWS."""

import subprocess
import sys
from pathlib import Path

import pytest

from tasks import namespace

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("boto3", "botocore", "moto", "pydantic", "ray", "rich")
# Runs tasks as invoke does, on an environment on AWS that refuses every call, each in a copy of a
# process that has imported what all of them need and nothing of the local cloud. Leaves in a folder
# what each printed, at the end which modules of the package that is the first argument it imported.
ON_AWS = """
import os
import sys
from unittest.mock import patch

import common.clients
from common.errors import Refused
from deploy.release.rollout_journal import begin_journal
from invoke.program import Program
from tests.unit.deploy.builders import an_environment

import tasks
from commands.rollout import print_report


def refuse(*arguments):
    raise Refused("AWS refuses")


def run(task):
    with (
        patch("common.environment.load_environment", lambda name: environment),
        patch("botocore.client.BaseClient._make_api_call", refuse),
    ):
        Program(namespace=tasks.namespace).run(["invoke", *task.split()], exit=False)
    print_report(begin_journal("dev", "deploy", from_release="", to_release="a", plan=(), now=0))
    print("imported:", *(m for m in sys.modules if m.partition(".")[0] == package))


environment = an_environment()
assert environment.provider == "aws"
package, folder, *wanted = sys.argv[1:]
for number, task in enumerate(wanted):
    if os.fork() == 0:
        for stream, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{folder}/{number}.{name}", os.O_CREAT | os.O_WRONLY), stream)
        run(task)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    _, status = os.wait()
    assert status == 0, task
"""
TASKS = (
    *("deploy --env dev --yes", "rollback --env dev --yes", "destroy --env dev --yes"),
    *("plan --env dev", "status --env dev", "verify --env dev", "bake --env dev"),
    *("releases --env dev", "images --env dev", "smoke --env dev"),
    *("images.promote --to dev --back", "images.prune --env dev"),
    *("images.show --env dev ami-1", "images.diff --env dev ami-1 ami-2"),
    "images.compare --env dev",
    *("documents.add --env dev --file x", "documents.ask --env dev why"),
    *("documents.retry --env dev", "connect --env dev --dashboard 0 --client 0"),
    *("head.id --env dev", "head.logs --env dev", "head.replace --env dev --yes"),
)


def python(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python code in a process that has imported nothing yet."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)


# As it was before any test: get_arguments empties it.
HELPED = {name: set(namespace[name].help) for name in namespace.task_names}


def test_the_menu_has_every_command() -> None:
    assert set(namespace.task_names) == {
        *("bake", "plan", "deploy", "rollback", "destroy", "releases", "diff"),
        *("pause", "resume", "cost", "prices"),
        *("images.list", "images.promote", "images.show", "images.diff", "images.prune"),
        *("images.attest", "images.scan", "images.compare"),
        *("status", "verify", "smoke", "connect", "demo", "doctor", "probe"),
        "dashboards",
        *("job.submit", "job.list", "job.logs", "job.stop"),
        *("check", "test", "thorough", "mutants", "lock"),
        *("head.id", "head.logs", "head.shell", "head.restart", "head.replace", "head.hand-over"),
        "token.rotate",
        *("account.setup", "account.template", "account.remove"),
        *("cloud.up", "cloud.down", "cloud.status", "cloud.shell"),
        *("documents.add", "documents.ask", "documents.retry", "documents.evaluate"),
        *("documents.plan", "documents.deploy", "documents.destroy", "documents.template"),
        *("documents.pause", "documents.resume", "documents.connect", "documents.shell"),
        *("documents.status", "documents.verify", "documents.cost"),
        *("drill.run", "drill.report"),
    }


def test_every_task_and_every_option_has_help() -> None:
    for name in namespace.task_names:
        task = namespace[name]
        assert (task.__doc__ or "").endswith("."), name
        helped = HELPED[name]
        # invoke strips the underscore of a name that Python has for itself.
        names = (argument.name.rstrip("_") for argument in task.get_arguments())
        options = {name.replace("_", "-") for name in names}
        assert options == helped, name


def test_the_menu_imports_nothing_heavy() -> None:
    listing = f"import sys, tasks; print(*(m for m in {HEAVY} if m in sys.modules))"

    assert python(listing).stdout.split() == []


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what each task printed."""
    folder = tmp_path_factory.mktemp("printed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYKILN_HOME", str(tmp_path_factory.mktemp("home")))
        python(ON_AWS, "localcloud", str(folder), *TASKS)
    return folder


@pytest.mark.parametrize("task", TASKS)
def test_on_aws_nothing_of_the_local_cloud_is_imported(task: str, printed: Path) -> None:
    said, refused = (printed / f"{TASKS.index(task)}.{name}" for name in ("out", "err"))

    assert refused.read_text() in ("AWS refuses\n", "")  # verify reports it as checks that failed
    assert said.read_text().splitlines()[-1] == "imported:"
