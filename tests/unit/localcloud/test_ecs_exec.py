"""ECS Exec: who gets a shell in a container, and what passes between it and a terminal."""

import os
import pty
import select
import shlex
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud.patches import iam
from localcloud.patches.ecs import runtime
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.ecs import IMAGE, Ecs
from tests.unit.localcloud.fakes import FakeClock
from tests.unit.localcloud.test_sessions import channels, plugin  # noqa: F401 - one is a fixture

HERE = "arn:aws:ecs:us-east-1:123456789012"
NO_AGENT = (
    "The execute command failed because execute command was not enabled when the task was run or "
    "the execute command agent isn't running. Wait and try again or run a new task with execute "
    "command enabled and try again."
)
DENIED = "AccessDeniedException"
WAITS = "sh -c 'echo ready; cat'"


@pytest.fixture
def ecs(aws: Clients, clock: FakeClock) -> Ecs:
    return Ecs(aws, clock)


def started(ecs: Ecs, definition: str, *, enabled: bool = True) -> str:
    """Run a task until its containers run; return its id."""
    task_id = ecs.run(definition, enableExecuteCommand=enabled).rpartition("/")[2]
    ecs.clock.advance(1)
    for container in ecs.task(task_id)["containers"]:
        runtime.container_started(task_id, container["name"], "run-1", "sha256:1")
    runtime.running(task_id)
    return task_id


def execute(ecs: Ecs, task: str, command: str = "/bin/sh", **more: Any) -> dict[str, Any]:
    asked = {"cluster": "c", "task": task, "command": command, "interactive": True, **more}
    return dict(ecs.api.execute_command(**asked))


def refusal(ecs: Ecs, task: str, **more: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        execute(ecs, task, **more)
    found = refused.value.response["Error"]
    return found["Code"], found["Message"]


def test_it_answers_with_a_session_of_the_container(ecs: Ecs, aws: Clients) -> None:
    task = started(ecs, ecs.with_exec())

    found = execute(ecs, f"{HERE}:task/c/{task}")

    session = found.pop("session")
    assert session["sessionId"].startswith("ecs-execute-command-")
    url = f"wss://ssmmessages.us-east-1.amazonaws.com/v1/data-channel/{session['sessionId']}"
    assert session["streamUrl"] == f"{url}?role=publish_subscribe"
    assert len(session["tokenValue"]) == 128
    del found["ResponseMetadata"]
    assert found == {
        "clusterArn": f"{HERE}:cluster/c",
        "taskArn": f"{HERE}:task/c/{task}",
        "containerArn": f"{HERE}:container/c/{task}/ray",
        "containerName": "ray",
        "interactive": True,
    }
    (open_one,) = aws("ssm").describe_sessions(State="Active")["Sessions"]
    assert open_one["Target"] == f"ecs:c_{task}_run-1"
    assert open_one["DocumentName"] == "AmazonECS-ExecuteInteractiveCommand"


def test_a_task_says_how_its_agents_are(ecs: Ecs) -> None:
    arn = ecs.run(ecs.with_exec(), enableExecuteCommand=True)
    ecs.clock.advance(1)

    def agents() -> list[dict[str, Any]]:
        return list(ecs.task(arn)["containers"][0]["managedAgents"])

    assert agents() == [{"name": "ExecuteCommandAgent", "lastStatus": "PENDING"}]
    runtime.container_started(arn.rpartition("/")[2], "ray", "run-1", "sha256:1")
    (one,) = agents()
    assert (one["lastStatus"], one["lastStartedAt"].timestamp()) == ("RUNNING", ecs.clock.now())
    ecs.exit(arn.rpartition("/")[2], 0)
    assert agents()[0]["lastStatus"] == "STOPPED"


def test_a_task_without_it_has_no_agents(ecs: Ecs) -> None:
    task = started(ecs, ecs.with_exec(), enabled=False)

    assert "managedAgents" not in ecs.task(task)["containers"][0]
    assert refusal(ecs, task) == ("InvalidParameterException", NO_AGENT)


def test_what_is_asked_for_wrongly_is_refused(ecs: Ecs) -> None:
    task = started(ecs, ecs.with_exec())
    invalid = "InvalidParameterException"

    assert {
        "not interactive": refusal(ecs, task, interactive=False),
        "no command": refusal(ecs, task, command=" "),
        "an open quote": refusal(ecs, task, command="echo 'a")[0],
        "another task": refusal(ecs, "0" * 32),
        "another container": refusal(ecs, task, container="web"),
        "another cluster": refusal(ecs, task, cluster="d"),
    } == {
        "not interactive": (invalid, "Interactive is the only mode supported currently."),
        "no command": (invalid, "command must not be empty."),
        "an open quote": invalid,
        "another task": (invalid, "The referenced task was not found."),
        "another container": (invalid, "container must be one of the task's: ray."),
        "another cluster": ("ClusterNotFoundException", "Cluster not found."),
    }


def test_a_container_is_named_where_there_are_several(ecs: Ecs) -> None:
    role = ecs.role("exec", {"Action": "ssmmessages:*", "Resource": "*"})
    two = [{"name": name, "image": IMAGE} for name in ("ray", "web")]
    task = started(ecs, ecs.register("two", two, taskRoleArn=role))

    assert execute(ecs, task, container="web")["containerName"] == "web"
    assert refusal(ecs, task)[1] == "container must be one of the task's: ray, web."


def test_a_container_that_has_exited_has_no_agent(ecs: Ecs) -> None:
    task = started(ecs, ecs.with_exec())
    ecs.exit(task, 0)

    assert refusal(ecs, task) == ("InvalidParameterException", NO_AGENT)


def test_no_agent_starts_where_nothing_can_be_written(ecs: Ecs) -> None:
    task = started(ecs, ecs.with_exec(readonlyRootFilesystem=True))

    assert refusal(ecs, task) == ("InvalidParameterException", NO_AGENT)


@pytest.mark.parametrize("missing", ["CreateControlChannel", "OpenDataChannel", "all", "the role"])
def test_an_agent_connects_in_the_name_of_the_task_role(ecs: Ecs, missing: str) -> None:
    every = ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
    may = [f"ssmmessages:{one}" for one in every if missing not in (one, "all")]
    allowed: dict[str, Any] = {"Action": [*may, "logs:PutLogEvents"], "Resource": "*"}
    definition = ecs.definition() if missing == "the role" else ecs.with_exec(allowed)
    task = started(ecs, definition)

    assert ecs.task(task)["containers"][0]["managedAgents"][0]["lastStatus"] == "RUNNING"
    assert refusal(ecs, task) == (
        "TargetNotConnectedException",
        "The execute command failed due to an internal error. Try again later.",
    )


def test_it_needs_the_cluster_and_the_task_and_no_session_besides(ecs: Ecs) -> None:
    task = started(ecs, ecs.with_exec())
    both = [f"{HERE}:cluster/c", f"{HERE}:task/c/{task}"]
    web = {"Condition": {"StringEquals": {"ecs:container-name": "web"}}}
    trials: dict[str, tuple[str, list[str], dict[str, Any]]] = {
        "both": ("ecs:ExecuteCommand", both, {}),
        "no-cluster": ("ecs:ExecuteCommand", both[1:], {}),
        "no-task": ("ecs:ExecuteCommand", both[:1], {}),
        "another-task": ("ecs:ExecuteCommand", [both[0], f"{HERE}:task/d/*"], {}),
        "another-container": ("ecs:ExecuteCommand", both, web),
        "a-session": ("ssm:StartSession", ["*"], {}),
    }
    seen: dict[str, str] = {}
    for name, (action, resources, condition) in trials.items():
        statement = {"Effect": "Allow", "Action": action, "Resource": resources, **condition}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        keys: dict[str, Any] = iam.make_user(name, policy)
        with iam.enforced():
            client = boto3.session.Session(region_name="us-east-1", **keys).client("ecs")
            seen[name] = outcome(client, task)

    assert seen == {
        "both": "allowed",
        "no-cluster": DENIED,
        "no-task": DENIED,
        "another-task": DENIED,
        "another-container": DENIED,
        "a-session": DENIED,
    }


def outcome(client: Any, task: str) -> str:
    asked = {"cluster": "c", "task": task, "command": "sh", "interactive": True}
    try:
        client.execute_command(container="ray", **asked)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "allowed"


class Person:
    """Who sits at the terminal of a running plugin."""

    def __init__(self, side: int, process: "subprocess.Popen[str]") -> None:
        self.side, self.process, self.seen = side, process, ""

    def types(self, text: str) -> None:
        os.write(self.side, text.encode())

    def ended(self, seconds: float = 60) -> int:
        """Wait until the plugin has ended; return its exit code."""
        end = time.monotonic() + seconds
        while (code := self.process.poll()) is None:
            assert time.monotonic() < end
            if select.select([self.side], [], [], 0.1)[0]:
                self.seen += os.read(self.side, 10_000).decode()
        return code

    def sees(self, text: str, seconds: float = 60) -> None:
        """Wait until this text has appeared behind what was seen before."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, f"{text!r} is not in {self.seen!r}"
            if select.select([self.side], [], [], 0.1)[0]:
                self.seen += os.read(self.side, 10_000).decode()
        self.seen = self.seen.partition(text)[2]


def as_started(session: dict[str, str]) -> dict[str, str]:
    """Return a session of ECS Exec as StartSession answers it."""
    return {f"{name[0].upper()}{name[1:]}": value for name, value in session.items()}


@contextmanager
def sitting(session: dict[str, str], url: str) -> Iterator[Person]:
    """Run the plugin on a terminal of 80 columns and 24 rows."""
    side, theirs = pty.openpty()
    termios.tcsetwinsize(side, (24, 80))
    try:
        with plugin(as_started(session), url, terminal=theirs) as process:
            yield Person(side, process)
    finally:
        os.close(theirs)
        os.close(side)


def test_a_terminal_is_that_of_the_container(ecs: Ecs, channels: str) -> None:  # noqa: F811
    made = execute(ecs, started(ecs, ecs.with_exec()), "sh -c 'PS1=ready:; export PS1; exec sh -i'")

    with sitting(made["session"], channels) as person:
        person.sees(f"Starting session with SessionId: {made['session']['sessionId']}")
        person.sees("ready:")
        person.types("stty size; echo $((40 + 2))\n")
        person.sees("\n24 80")
        person.sees("\n42")
        person.sees("ready:")
        person.types("sleep 100; echo 'interrupted' $?\n")
        person.sees("$?")
        person.types("\x03")
        person.sees("ready:")
        person.types("exit 3\n")
        person.sees(f"Exiting session with sessionId: {made['session']['sessionId']}.")

        assert person.ended() == 0


def test_its_size_follows(ecs: Ecs, channels: str) -> None:  # noqa: F811
    command = "sh -c 'trap \"stty size\" WINCH; echo ready; while :; do sleep 0.05; done'"
    made = execute(ecs, started(ecs, ecs.with_exec()), command)

    with sitting(made["session"], channels) as person:
        person.sees("ready")
        termios.tcsetwinsize(person.side, (50, 132))
        person.sees("50 132")


def test_what_is_typed_waits_for_a_command_that_does_not_read(
    ecs: Ecs,
    channels: str,  # noqa: F811
) -> None:
    slow = "stty raw -echo; echo ready; sleep 0.5; head --bytes 100000 | wc --bytes"
    made = execute(ecs, started(ecs, ecs.with_exec()), shlex.join(["sh", "-c", slow]))

    with sitting(made["session"], channels) as person:
        person.sees("ready")
        person.types("x" * 100_000)
        person.sees("100000")
        assert person.ended() == 0


def test_a_session_that_is_terminated_ends_its_command(
    ecs: Ecs,
    aws: Clients,
    channels: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    running = tmp_path / "running"
    running.touch()
    loop = f"trap 'rm {running}; exit' HUP; echo ready; while :; do sleep 0.05; done"
    made = execute(ecs, started(ecs, ecs.with_exec()), shlex.join(["sh", "-c", loop]))

    with sitting(made["session"], channels) as person:
        person.sees("ready")
        aws("ssm").terminate_session(SessionId=made["session"]["sessionId"])

        assert person.ended() == 0
    eventually(lambda: not running.exists())


def test_a_session_ends_with_its_command_or_its_plugin(
    ecs: Ecs,
    aws: Clients,
    channels: str,  # noqa: F811
) -> None:
    task = started(ecs, ecs.with_exec())

    def active() -> int:
        return len(aws("ssm").describe_sessions(State="Active")["Sessions"])

    with sitting(execute(ecs, task, "true")["session"], channels) as person:
        assert person.ended() == 0
    eventually(lambda: active() == 0)
    with sitting(execute(ecs, task, WAITS)["session"], channels) as person:
        person.sees("ready")
        assert active() == 1
    eventually(lambda: active() == 0)


def test_a_session_runs_its_command_once(ecs: Ecs, channels: str) -> None:  # noqa: F811
    made = execute(ecs, started(ecs, ecs.with_exec()), WAITS)

    with sitting(made["session"], channels) as person:
        person.sees("ready")
        with sitting(made["session"], channels) as another:
            assert another.ended() == 1


def test_a_session_of_a_lost_task_ends(ecs: Ecs, aws: Clients) -> None:
    task = started(ecs, ecs.with_exec())
    execute(ecs, task)
    ecs.exit(task, 137)
    ecs.clock.advance(32)

    assert aws("ssm").describe_sessions(State="Active")["Sessions"] == []


def test_without_a_terminal_it_ends_where_its_input_does(
    ecs: Ecs,
    channels: str,  # noqa: F811
) -> None:
    made = execute(ecs, started(ecs, ecs.with_exec()), "cat")
    with (
        Path(os.devnull).open() as nothing,
        plugin(as_started(made["session"]), channels, stdin=nothing.fileno()) as process,
    ):
        assert process.stdout
        assert "Cannot perform start session: EOF" in process.stdout.read()


def eventually(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
