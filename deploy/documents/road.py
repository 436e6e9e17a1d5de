"""The road from this machine to a pipeline's head, as to a cluster's leader. Touches AWS.

On Fargate a session is one with the head's task, as ECS Exec's are; on the cluster it is one with
an instance that answers.
"""

from functools import partial
from weakref import WeakKeyDictionary

from common.clients import Clients, translated
from deploy.documents.pipeline import Pipeline
from deploy.documents.services import HEAD
from deploy.documents.tasks import running_tasks
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
    """Return the target of a session with the head's task; empty when none runs."""
    found = running_tasks(clients, pipeline.outputs, HEAD)
    return found[0].target if found else ""


def _answering_instance(clients: Clients, pipeline: Pipeline) -> str:
    """Return an instance that the load balancer has answers from; empty when there is none."""
    with translated("looking for an instance that answers"):
        found = clients("elbv2").describe_target_health(
            TargetGroupArn=pipeline.outputs["TargetGroupArn"]
        )["TargetHealthDescriptions"]
    healthy = (one["Target"]["Id"] for one in found if one["TargetHealth"]["State"] == "healthy")
    return next(healthy, "")
