"""Session Manager's port forwarding into a container of a task: ECS Exec's agent is its end."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.patches import iam
from localcloud.patches.ecs import records, runtime
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.ecs import Ecs
from tests.unit.localcloud.fakes import FakeClock

INSTANCE = "AWS-StartPortForwardingSession"


@pytest.fixture
def ecs(aws: Clients, clock: FakeClock) -> Ecs:
    return Ecs(aws, clock)


def running(ecs: Ecs, *, enabled: bool = True) -> str:
    """Run a task; return the target of a session with its container."""
    arn = ecs.run(ecs.with_exec(), enableExecuteCommand=enabled)
    task_id = arn.rpartition("/")[2]
    ecs.clock.advance(1)
    runtime.container_started(task_id, "ray", "run-1", "sha256:1")
    runtime.running(task_id)
    return f"ecs:c_{task_id}_run-1"


def start(aws: Clients, target: str) -> str:
    made = aws("ssm").start_session(
        Target=target, DocumentName=INSTANCE, Parameters={"portNumber": ["8000"]}
    )
    return str(made["SessionId"])


def active(aws: Clients) -> list[tuple[str, str]]:
    found = aws("ssm").describe_sessions(State="Active")["Sessions"]
    return [(one["SessionId"], one["Target"]) for one in found]


def test_a_session_lasts_as_long_as_its_task(aws: Clients, ecs: Ecs, clock: FakeClock) -> None:
    target = running(ecs)
    session = start(aws, target)
    assert active(aws) == [(session, target)]

    task_id = target.split("_")[1]
    ecs.api.stop_task(cluster="c", task=task_id)
    runtime.container_exited(task_id, "ray", 143, "")
    clock.advance(32)

    assert active(aws) == []


@pytest.mark.parametrize("changed", ["not enabled", "another cluster", "another runtime", "gone"])
def test_what_has_no_agent_is_not_connected(aws: Clients, ecs: Ecs, changed: str) -> None:
    target = running(ecs, enabled=changed != "not enabled")
    if changed == "another cluster":
        target = target.replace("ecs:c_", "ecs:d_")
    if changed == "another runtime":
        target = target.replace("run-1", "run-2")
    if changed == "gone":
        runtime.container_exited(target.split("_")[1], "ray", 1, "")

    with pytest.raises(ClientError) as refused:
        start(aws, target)

    assert refused.value.response["Error"]["Code"] == "TargetNotConnected"


def test_it_needs_the_task_and_the_document(aws: Clients, ecs: Ecs) -> None:
    import boto3

    target = running(ecs)
    (task,) = records.tasks().values()
    document = f"arn:aws:ssm:us-east-1::document/{INSTANCE}"
    seen: dict[str, str] = {}
    for name, resources in {
        "both": [task.arn, document],
        "another-task": [task.arn.replace("/c/", "/d/"), document],
        "no-document": [task.arn],
    }.items():
        statement = {"Effect": "Allow", "Action": "ssm:StartSession", "Resource": resources}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        keys: dict[str, Any] = iam.make_user(name, policy)
        with iam.enforced():
            session = boto3.session.Session(region_name="us-east-1", **keys)
            seen[name] = outcome(session.client("ssm"), target)

    assert seen == {
        "both": "allowed",
        "another-task": "AccessDeniedException",
        "no-document": "AccessDeniedException",
    }


def outcome(ssm: Any, target: str) -> str:
    try:
        ssm.start_session(Target=target, DocumentName=INSTANCE, Parameters={"portNumber": ["8000"]})
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "allowed"
