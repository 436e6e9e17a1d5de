"""Whether a pipeline works, seen by using it: its workers in Ray, its API. Touches AWS and both."""

import json

from common.clients import Clients, translated
from common.errors import PipelineError, Unhealthy
from common.progress import Say
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.ray_access import ray_api
from deploy.cluster.ray_api import RayApi, Unreachable
from deploy.documents.pipeline import Pipeline, service_url
from deploy.documents.question import Api
from deploy.documents.road import road_to_pipeline
from node.contract import NODE_GROUP_LABEL

RAY_TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105 # the key of the token in its secret


def ray_of_pipeline(clients: Clients, pipeline: Pipeline) -> RayApi:
    """Return Ray's API on the head that the pipeline has, with its cluster's token."""
    if pipeline.on_cluster:
        return ray_api(clients, pipeline.environment)
    with translated("reading Ray's token"):
        found = clients("secretsmanager").get_secret_value(
            SecretId=pipeline.outputs["RayTokenSecretArn"]
        )
    token = json.loads(found["SecretString"])[RAY_TOKEN]
    return RayApi(pipeline.outputs["HeadName"], token, road=road_to_pipeline(clients, pipeline))


def api_of_pipeline(clients: Clients, pipeline: Pipeline) -> Api:
    """Return the pipeline's own API, with its token."""
    road = road_to_pipeline(clients, pipeline)
    return Api(service_url(pipeline.outputs), pipeline.token(clients), road)


def workers_in(ray: RayApi, pipeline: Pipeline) -> int:
    """Return how many workers are alive in Ray that the pipeline runs on."""
    group = pipeline.environment.documents.group if pipeline.on_cluster else ""
    return sum(
        node.works and (not group or node.labels.get(NODE_GROUP_LABEL) == group)
        for node in ray.nodes()
    )


def await_in_use(pipeline: Pipeline, clients: Clients, *, clock: Clock, progress: Say) -> str:
    """Wait until as many workers as there must be are alive in Ray, and the API answers.

    Returns what was seen; raises Unhealthy when it was not in time.
    """
    _, least = pipeline.least_tasks
    seconds = float(pipeline.environment.limits.workers_ready_seconds)
    ray, api = ray_of_pipeline(clients, pipeline), api_of_pipeline(clients, pipeline)

    def look() -> Seen[str]:
        try:
            alive = workers_in(ray, pipeline)
            answered = api.answered()
        except Unreachable as error:
            return Seen(None, error.message)
        words = f"{alive} workers alive in Ray, the API answers {answered}"
        return Seen(words if alive >= least and answered == "200" else None, words)

    try:
        return wait_for(
            "the pipeline in use", look, clock=clock, seconds=seconds, every=2.0, progress=progress
        )
    except PipelineError as error:
        raise Unhealthy(error.message, hint="invoke documents.status") from error
