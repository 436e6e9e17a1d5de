"""The road from this machine to a pipeline's head, as to a cluster's leader. Touches AWS.

On Fargate a session is one with the head's task, as ECS Exec's are; on the cluster it is one with
an instance that answers.
"""

from functools import partial
from weakref import WeakKeyDictionary

from common.clients import Clients, translated
from deploy.documents.pipeline import Pipeline
from deploy.documents.services import CLUSTER, HEAD
from deploy.reach.road import Road

_roads: WeakKeyDictionary[Clients, dict[str, Road]] = WeakKeyDictionary()


def road_to_pipeline(clients: Clients, pipeline: Pipeline) -> Road:
    """Return the one road of these clients to what answers for a pipeline."""
    roads, name = _roads.setdefault(clients, {}), pipeline.outputs["HeadName"]
    if name not in roads:
        roads[name] = _road(clients, pipeline, name)
    return roads[name]


def _road(clients: Clients, pipeline: Pipeline, name: str) -> Road:
    if pipeline.on_cluster:
        instance = partial(_answering_instance, clients, pipeline)
        return Road(clients, name, instance, missing="no instance of the group answers yet")
    return Road(clients, name, partial(head_task, clients, pipeline), missing="no head task runs")


def head_task(clients: Clients, pipeline: Pipeline) -> str:
    """Return the target of a session with the head's task; empty when none runs.

    Its form is that of ``aws ecs execute-command``: github.com/aws/aws-cli,
    awscli/customizations/ecs/executecommand.py.
    """
    cluster, service = pipeline.outputs[CLUSTER], pipeline.outputs.get(HEAD)
    if not service:
        return ""
    with translated("looking for the head's task"):
        ecs = clients("ecs")
        arns = ecs.list_tasks(cluster=cluster, serviceName=service)["taskArns"]
        tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
    for task in tasks:
        task_id = task["taskArn"].rpartition("/")[2]
        for container in task["containers"]:
            if container["lastStatus"] == "RUNNING":
                return f"ecs:{cluster}_{task_id}_{container['runtimeId']}"
    return ""


def _answering_instance(clients: Clients, pipeline: Pipeline) -> str:
    """Return an instance that the load balancer has answers from; empty when there is none."""
    with translated("looking for an instance that answers"):
        found = clients("elbv2").describe_target_health(
            TargetGroupArn=pipeline.outputs["TargetGroupArn"]
        )["TargetHealthDescriptions"]
    healthy = (one["Target"]["Id"] for one in found if one["TargetHealth"]["State"] == "healthy")
    return next(healthy, "")
