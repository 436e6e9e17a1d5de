"""The resources of requests to ECS and S3 Vectors, and the roles that a task definition passes.

Follows "Actions, resources, and condition keys for Amazon Elastic Container Service"
(docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html,
and .../list_amazons3vectors.html for vectors).
"""

from collections.abc import Iterator
from typing import Any

Tree = dict[str, Any]
Where = tuple[str, str]  # account, region

ON_A_SERVICE = ("CreateService", "UpdateService", "DeleteService", "DescribeServices")
ON_TASKS = (
    *("StopTask", "DescribeTasks"),
    *("GetTaskProtection", "UpdateTaskProtection"),
)
PASSED_TO = {"iam:PassedToService": "ecs-tasks.amazonaws.com"}


def named(where: Where, action: str, parameters: Tree) -> list[tuple[str, Tree]]:
    """Return the ARNs that a request touches, with their condition keys."""

    def arn(kind: str, reference: str) -> str:
        if reference.startswith("arn:"):
            return reference
        return f"arn:aws:ecs:{where[1]}:{where[0]}:{kind}/{reference}"

    cluster = str(parameters.get("cluster") or "default").rpartition("/")[2]
    keys: Tree = {"ecs:cluster": arn("cluster", cluster)}
    if action in ON_A_SERVICE:
        one = parameters.get("serviceName") or parameters.get("service")
        found = parameters.get("services") or [one]
        return [(arn("service", f"{cluster}/{name.rpartition('/')[2]}"), keys) for name in found]
    if action in ON_TASKS:
        found = parameters.get("tasks") or [parameters.get("task")]
        return [(arn("task", f"{cluster}/{name.rpartition('/')[2]}"), keys) for name in found]
    if action == "ExecuteCommand":
        # Both have to be allowed: github.com/aws/containers-roadmap/issues/1050.
        task = arn("task", f"{cluster}/{str(parameters.get('task')).rpartition('/')[2]}")
        keys |= {"ecs:task": task, "ecs:container-name": parameters.get("container")}
        return [(arn("cluster", cluster), keys), (task, keys)]
    if action == "RunTask":
        return [(arn("task-definition", parameters["taskDefinition"]), keys)]
    if action in ("ListTasks", "ListServices"):
        return [("*", keys)]
    if action in ("UpdateCluster", "DeleteCluster", "PutClusterCapacityProviders"):
        return [(arn("cluster", cluster), {})]
    return []


def passed(action: str, parameters: Tree) -> Iterator[tuple[str, str, Tree]]:
    """Yield the PassRole checks of a request: .../developerguide/security-iam-passrole.html."""
    given = parameters if action == "RegisterTaskDefinition" else parameters.get("overrides") or {}
    for name in ("taskRoleArn", "executionRoleArn"):
        if given.get(name):
            yield "iam:PassRole", str(given[name]), PASSED_TO


def vectors(where: Where, action: str, parameters: Tree) -> list[tuple[str, Tree]]:
    """Return the vector bucket or index that a request touches."""
    arn = parameters.get("indexArn") or parameters.get("vectorBucketArn")
    bucket, index = parameters.get("vectorBucketName"), parameters.get("indexName")
    if not arn and bucket:
        arn = f"arn:aws:s3vectors:{where[1]}:{where[0]}:bucket/{bucket}"
        arn += f"/index/{index}" if index else ""
    return [(str(arn), {})] if arn else []
