"""What a task's agent fetches before its containers start, in the name of the execution role.

Follows "Pass Secrets Manager secrets through Amazon ECS environment variables"
(docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html:
ARN:json-key:stage:version),
"... Systems Manager parameters ..." (.../secrets-envvar-ssm-paramstore.html), "Amazon ECS task
execution IAM role" (.../task_execution_IAM_role.html) and, for the words, "Stopped tasks error
messages" (.../stopped-task-error-messages.html).
"""

import json
from typing import Any

from botocore.exceptions import ClientError

from localcloud.account import ACCOUNT, REGION
from localcloud.patches import iam
from localcloud.patches.ecs.records import Task
from localcloud.patches.internal import call

TASKS = "ecs-tasks.amazonaws.com"
LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")


class NotReady(Exception):
    """The task cannot start; the text is its stoppedReason."""


def environment_of(task: Task) -> dict[str, dict[str, str]]:
    """Return the variables from secrets, by container; raises NotReady."""
    return {
        container.name: {
            one["name"]: _value(task, one["valueFrom"])
            for one in container.definition.get("secrets") or []
        }
        for container in task.containers
    }


def _value(task: Task, reference: str) -> str:
    if reference.startswith("arn:aws:secretsmanager:"):
        return _secret(task, reference)
    return _parameter(task, reference)


def _secret(task: Task, reference: str) -> str:
    parts = reference.split(":")
    arn, rest = ":".join(parts[:7]), [*parts[7:], "", "", ""][:3]
    _allow(task, "secretsmanager:GetSecretValue", arn, "asm")
    wanted = {"VersionStage": rest[1], "VersionId": rest[2]}
    given = {name: value for name, value in wanted.items() if value}
    try:
        text = call("secretsmanager", "get_secret_value", SecretId=arn, **given)["SecretString"]
    except ClientError as error:
        raise _unretrieved("asm", f"failed to fetch secret {arn}", error) from error
    if not rest[0]:
        return str(text)
    try:
        return str(json.loads(text)[rest[0]])
    except (ValueError, KeyError, TypeError) as error:
        raise NotReady(
            "ResourceInitializationError: unable to pull secrets or registry auth: execution "
            f"resource retrieval failed: unable to retrieve secret from asm: retrieved secret from "
            f"Secrets Manager did not contain json key {rest[0]}"
        ) from error


def _parameter(task: Task, reference: str) -> str:
    name = reference.partition(":parameter")[2] or reference
    bare = name.lstrip("/")
    arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{bare}"
    _allow(task, "ssm:GetParameters", arn, "ssm")
    for known in dict.fromkeys((name, f"/{bare}", bare)):
        asked = {"Names": [known], "WithDecryption": True}
        if found := call("ssm", "get_parameters", **asked)["Parameters"]:
            return str(found[0]["Value"])
    raise NotReady(
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
        f"retrieval failed: unable to retrieve secrets from ssm: invalid parameters: {name}"
    )


def _allow(task: Task, action: str, arn: str, source: str) -> None:
    if not iam.role_may(task.execution_role, [action], arn):
        role = task.execution_role.rpartition("/")[2]
        who = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{task.task_id}"
        raise NotReady(
            "ResourceInitializationError: unable to pull secrets or registry auth: execution "
            f"resource retrieval failed: unable to retrieve secret from {source}: "
            f"AccessDeniedException: User: {who} is not authorized to perform: {action} on "
            f"resource: {arn} because no identity-based policy allows the {action} action"
        )


def _unretrieved(source: str, what: str, error: Any) -> NotReady:
    details = error.response["Error"]
    return NotReady(
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource "
        f"retrieval failed: unable to retrieve secret from {source}: {what}: "
        f"{details['Code']}: {details['Message']}"
    )


def check_roles(roles: tuple[str, ...]) -> str:
    """Return why ECS cannot use these roles, or nothing; an empty role is none."""
    for arn in roles:
        if arn and not iam.may_assume(TASKS, arn):
            return (
                f"ECS was unable to assume the role '{arn}' that was provided for this task. "
                "Please verify that the role being passed has the proper trust relationship and "
                "permissions and that your IAM user has permissions to pass this role."
            )
    return ""


def open_logs(task: Task) -> None:
    """Make the log streams of a task's containers; raises NotReady.

    "Send Amazon ECS logs to CloudWatch" (.../developerguide/using_awslogs.html): the stream is
    PREFIX/CONTAINER/TASK.
    """
    for container in task.containers:
        options = (container.definition.get("logConfiguration") or {}).get("options") or {}
        if options:
            _open_log(task, options, stream_of(task, container.name, options))


def stream_of(task: Task, container: str, options: dict[str, str]) -> str:
    """Return the name of a container's log stream."""
    return f"{options['awslogs-stream-prefix']}/{container}/{task.task_id}"


def _open_log(task: Task, options: dict[str, str], stream: str) -> None:
    group = options["awslogs-group"]
    needed = [*LOGS]
    if options.get("awslogs-create-group") == "true":
        needed.append("logs:CreateLogGroup")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:{stream}"
    failing = "ResourceInitializationError: failed to validate logger args: "
    if not iam.role_may(task.execution_role, needed, arn):
        raise NotReady(
            f"{failing}create stream has been retried 1 times: failed to create Cloudwatch log "
            f"stream: AccessDeniedException: {' or '.join(needed)} on {arn} is not allowed"
        )
    if len(needed) > len(LOGS) and not _has_group(group):
        call("logs", "create_log_group", logGroupName=group)
    try:
        call("logs", "create_log_stream", logGroupName=group, logStreamName=stream)
    except ClientError as error:
        details = error.response["Error"]
        raise NotReady(
            f"{failing}create stream has been retried 1 times: failed to create Cloudwatch log "
            f"stream: {details['Code']}: {details['Message']}"
        ) from error


def _has_group(name: str) -> bool:
    found = call("logs", "describe_log_groups", logGroupNamePrefix=name)["logGroups"]
    return any(group["logGroupName"] == name for group in found)
