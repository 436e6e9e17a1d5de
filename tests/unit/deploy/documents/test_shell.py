"""A shell in a task: in which one, what is asked of ECS, and what is said where there is none."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from moto.ssm.models import ssm_backends

from commands.documents_shell import shell_in
from common.errors import Denied, PipelineError, Refused
from deploy.documents.pipeline import Outputs, find_pipeline
from deploy.documents.pipeline import Pipeline as Deployed
from deploy.documents.shell import ShellRequest, open_shell, task_for
from deploy.documents.tasks import RunningTask
from deploy.reach.plugin import NotReached
from localcloud.account import ACCOUNT, REGION
from localcloud.patches.ecs import records
from localcloud.patches.iam import enforced, make_user
from localcloud.patches.ssm.sessions import Session, sessions_of
from tests.unit.deploy.account.conftest import CheckedClients
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.documents.pipeline import STACK, Pipeline, with_documents
from tests.unit.deploy.reach.plugins import install_plugin

HEAD, WORKER = f"service:{STACK}-ray-head", f"service:{STACK}-ray-worker"


def request(*words: str, worker: bool = False, task: str = "") -> ShellRequest:
    return ShellRequest.from_arguments(
        ["invoke", "documents.shell", *words], worker, task, on_terminal=True
    )


@pytest.fixture(scope="module")
def deployed(made: Pipeline) -> Deployed:
    return find_pipeline(made.clients, with_documents())


def task_of(group: str) -> records.Task:
    (found,) = (task for task in records.tasks().values() if task.group == group)
    return found


def chosen(made: Pipeline, deployed: Deployed, asked: ShellRequest) -> RunningTask:
    return task_for(made.clients, deployed, asked)


def newest_session() -> Session:
    return list(sessions_of(ssm_backends[ACCOUNT][REGION]).values())[-1]


def test_it_is_the_heads_task_a_workers_or_the_one_that_is_named(
    made: Pipeline, deployed: Deployed
) -> None:
    head, worker = task_of(HEAD), task_of(WORKER)

    assert chosen(made, deployed, request()).task_id == head.task_id
    assert chosen(made, deployed, request(worker=True)).task_id == worker.task_id
    assert chosen(made, deployed, request(task=worker.task_id)).container == "ray-worker"
    assert chosen(made, deployed, request(task=worker.arn)).task_id == worker.task_id


def test_the_plugin_is_called_for_a_session_that_runs_the_command(
    made: Pipeline, deployed: Deployed
) -> None:
    task = chosen(made, deployed, request())

    call = open_shell(made.clients, "/bin/plugin", task, ["ls", "-l", "two words", "it's"])

    session = newest_session()
    assert session.command == ("ls", "-l", "two words", "it's")
    target = f"ecs:{STACK}_{task.task_id}_abc"
    assert session.target == target
    variable = "AWS_SSM_START_SESSION_RESPONSE"
    assert call.command == [
        *("/bin/plugin", variable, "us-east-1", "StartSession", ""),
        *(json.dumps({"Target": target}), "https://ssm.us-east-1.amazonaws.com"),
    ]
    assert json.loads(call.environment[variable]) == {
        "SessionId": session.id,
        "TokenValue": session.token,
        "StreamUrl": session.url,
    }


def test_the_command_says_in_which_task_and_needs_the_plugin(
    made: Pipeline,
    deployed: Deployed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotReached, match=r"needs Session Manager's plugin.* is not installed"):
        shell_in(deployed.environment, request())
    assert capsys.readouterr().out == ""

    install_plugin(tmp_path)
    call = shell_in(deployed.environment, request(worker=True))

    assert call.command[0] == str(tmp_path / "session-manager-plugin")
    assert capsys.readouterr().out == f"dev: in task {task_of(WORKER).task_id}, as root\n"


def test_a_command_line_says_what_runs() -> None:
    assert request().command == ("/bin/bash",)
    assert request("--env", "dev", "--", "ls", "--", "a b").command == ("ls", "--", "a b")


def test_what_a_command_line_lacks_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(Refused, match="--worker and --task are both given"):
        request(worker=True, task="0a1b")
    with pytest.raises(Refused, match="a shell needs a terminal"):
        ShellRequest.from_arguments([], worker=False, task="", on_terminal=False)


def test_on_the_cluster_it_says_which_commands_open_one(made: Pipeline) -> None:
    deployed = Deployed(an_environment(), Outputs(STACK, {}))

    with pytest.raises(Refused, match="the documents of dev run on its cluster") as refused:
        chosen(made, deployed, request())

    assert "invoke head.shell --env dev" in refused.value.hint
    assert "aws ssm start-session --target INSTANCE" in refused.value.hint


def test_a_task_that_does_not_run_is_refused_with_those_that_do(
    made: Pipeline, deployed: Deployed
) -> None:
    with pytest.raises(Refused, match="0a1b is not a running task of the documents of dev") as no:
        chosen(made, deployed, request(task="0a1b"))

    head, worker = task_of(HEAD).task_id, task_of(WORKER).task_id
    assert no.value.hint == f"running: head {head}, worker {worker}"


def test_where_no_task_runs_it_says_so(made: Pipeline, deployed: Deployed) -> None:
    outputs = {"ECSClusterName": STACK}
    without = Deployed(deployed.environment, Outputs(STACK, outputs))

    with pytest.raises(PipelineError, match="no worker task of the documents of dev runs") as none:
        chosen(made, without, request(worker=True))

    assert none.value.exit_code == 2
    assert none.value.hint == "invoke documents.status --env dev"


@contextmanager
def changed(task: Any, **values: Any) -> Iterator[None]:
    """Have other values inside."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(task, name, value)
        yield


def test_a_task_without_ecs_exec_is_refused(made: Pipeline, deployed: Deployed) -> None:
    with (
        changed(task_of(HEAD), exec_enabled=False),
        pytest.raises(Refused, match="was started without ECS Exec") as refused,
    ):
        chosen(made, deployed, request())

    assert refused.value.hint.startswith("invoke documents.deploy --force --env dev")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"overrides": {"taskRoleArn": "arn:aws:iam::1:role/none"}}, "internal error"),
        ({"exec_enabled": False}, "was not enabled when the task was run"),
    ],
)
def test_an_agent_that_is_not_there_may_come(
    made: Pipeline, deployed: Deployed, change: dict[str, Any], said: str
) -> None:
    task = chosen(made, deployed, request())

    with (
        changed(task_of(HEAD), **change),
        pytest.raises(NotReached, match=f"no shell in task {task.task_id}: .*{said}") as raised,
    ):
        open_shell(made.clients, "plugin", task, ["ls"])

    assert "try again in a minute" in raised.value.hint


def test_who_may_not_is_told_what_is_missing(made: Pipeline, deployed: Deployed) -> None:
    statement = {"Effect": "Allow", "Action": ["ssm:StartSession"], "Resource": "*"}
    keys = make_user("ann", {"Version": "2012-10-17", "Statement": [statement]})
    task = chosen(made, deployed, request())

    with enforced(), pytest.raises(Denied, match=r"AccessDeniedException.*ecs:ExecuteCommand"):
        open_shell(CheckedClients(keys), "plugin", task, ["ls"])
