"""Why tasks stopped: the newest of all of them, and the last lines of their logs."""

from datetime import UTC, datetime
from typing import Any

from deploy.documents.failures import last_lines, stopped_tasks
from tests.unit.answers import Answers, refused

CLUSTER, GROUP, STREAM = "c", "/ecs/ray-head", "ray/ray-head/1"


def arn(number: int) -> str:
    return f"arn:aws:ecs:us-east-1:123456789012:task/c/{number}"


def a_stopped_task(number: int) -> dict[str, Any]:
    return {
        "taskArn": arn(number),
        "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/ray-head:1",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": f"reason {number}",
        "stoppedAt": datetime(2026, 11, 30, 12, number // 60, number % 60, tzinfo=UTC),
        "containers": [],
    }


def test_the_newest_of_more_than_a_hundred_is_the_first() -> None:
    numbers = range(102)
    aws: Any = Answers(
        list_tasks=(
            {"taskArns": [arn(n) for n in numbers[:100]]},
            {"taskArns": [arn(n) for n in numbers[100:]]},
        ),
        describe_tasks=[
            {"tasks": [a_stopped_task(n) for n in numbers[:100]]},
            {"tasks": [a_stopped_task(n) for n in numbers[100:]]},
        ],
    )

    found = stopped_tasks(aws, CLUSTER)

    assert [task.reason for task in found[:2]] == ["reason 101", "reason 100"]
    assert len(found) == 102
    assert aws.requests == [
        ("ecs:list_tasks", {"cluster": CLUSTER, "desiredStatus": "STOPPED"}),
        ("ecs:describe_tasks", {"cluster": CLUSTER, "tasks": [arn(n) for n in numbers[:100]]}),
        ("ecs:describe_tasks", {"cluster": CLUSTER, "tasks": [arn(100), arn(101)]}),
    ]


def page(token: str, *numbers: int) -> dict[str, Any]:
    events = [{"timestamp": n, "message": f"line {n}\n"} for n in numbers]
    return {"events": events, "nextBackwardToken": token}


def test_the_last_lines_are_found_behind_pages_that_are_empty_or_not_full() -> None:
    answers = [page("b/9"), page("b/6", 6, 7, 8), page("b/0", *range(6)), page("b/0")]
    aws: Any = Answers(get_log_events=answers)

    assert last_lines(aws, (GROUP,), (STREAM,)) == [f"line {n}" for n in range(1, 9)]
    where = {"logGroupName": GROUP, "logStreamName": STREAM, "startFromHead": False, "limit": 8}
    assert [request for _, request in aws.requests] == [
        where,
        where | {"nextToken": "b/9"},
        where | {"nextToken": "b/6"},
    ]


def test_a_task_that_logged_nothing_has_no_lines() -> None:
    aws: Any = Answers(get_log_events=refused("ResourceNotFoundException"))

    assert last_lines(aws, (GROUP,), (STREAM,)) == []
