"""Whether a pipeline works, seen by using it: its workers in Ray, its API. Touches AWS and both."""

import json
from collections.abc import Mapping

import urllib3
from urllib3.exceptions import HTTPError

from common.clients import Clients, translated
from common.errors import PipelineError, Unhealthy
from common.progress import Say
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.ray_access import ray_api
from deploy.cluster.ray_api import RayApi, Unreachable
from deploy.documents.pipeline import Pipeline, service_url
from node.contract import NODE_GROUP_LABEL

TIMEOUT = urllib3.Timeout(connect=5.0, read=30.0)
RAY_TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105 # the key of the token in its secret


def ray_of_pipeline(clients: Clients, pipeline: Pipeline) -> RayApi:
    """Return Ray's API on the head that the pipeline has, with its cluster's token."""
    if pipeline.on_cluster:
        return ray_api(clients, pipeline.environment)
    return ray_of(clients, pipeline.outputs)


def workers_in(ray: RayApi, pipeline: Pipeline) -> int:
    """Return how many workers are alive in Ray that the pipeline runs on."""
    group = pipeline.environment.documents.group if pipeline.on_cluster else ""
    return sum(
        node.works and (not group or node.labels.get(NODE_GROUP_LABEL) == group)
        for node in ray.nodes()
    )


def ray_of(clients: Clients, outputs: Mapping[str, str]) -> RayApi:
    """Return Ray's API on the head of a pipeline on Fargate, with the token of its own cluster."""
    with translated("reading Ray's token"):
        found = clients("secretsmanager").get_secret_value(SecretId=outputs["RayTokenSecretArn"])
    return RayApi(outputs["HeadName"], json.loads(found["SecretString"])[RAY_TOKEN])


def await_in_use(pipeline: Pipeline, clients: Clients, *, clock: Clock, progress: Say) -> str:
    """Wait until as many workers as there must be are alive in Ray, and the API answers.

    Returns what was seen; raises Unhealthy when it was not in time.
    """
    _, least = pipeline.least_tasks
    seconds = float(pipeline.environment.limits.workers_ready_seconds)
    ray, token = ray_of_pipeline(clients, pipeline), pipeline.token(clients)

    def look() -> Seen[str]:
        try:
            alive = workers_in(ray, pipeline)
            answered = api_answer(service_url(pipeline.outputs), token)
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


def api_answer(url: str, token: str) -> str:
    """Return how the API answers a request that takes its tables: an HTTP status, or why not."""
    pool = urllib3.PoolManager(retries=False, timeout=TIMEOUT)
    try:
        answer = pool.request("GET", f"{url}/status", headers={"Authorization": f"Bearer {token}"})
    except HTTPError as error:
        return f"nothing: {error}"
    return str(answer.status)
