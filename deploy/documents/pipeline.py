"""A deployed document pipeline as its users find it: where its things are, and whether it runs.

Touches AWS, changes nothing.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from common.clients import Clients, translated
from common.environment import Environment
from common.errors import PipelineError, Refused
from deploy.foundation.stack import find_stack
from documents.access import Access, access
from documents.errors import Unavailable
from documents.settings import Settings

PORT = 8000
TOKEN = "DOCUMENTS_TOKEN"  # noqa: S105 # the key of the token in its secret
IMAGE = "RayDockerImageUri"


class Outputs(dict[str, str]):
    """A stack's outputs by name; one that is not there, after a deploy that failed, says so."""

    def __init__(self, stack: str, outputs: Mapping[str, str]) -> None:
        super().__init__(outputs)
        self._stack = stack

    def __missing__(self, name: str) -> str:
        raise PipelineError(
            f"the stack {self._stack} has no output {name}", hint="invoke documents.deploy"
        )


@dataclass(frozen=True)
class Pipeline:
    """A pipeline's parts, by the names of its stack's outputs."""

    environment: Environment
    outputs: Outputs
    paused: bool = False
    image: str = ""  # by digest; empty before the first one is deployed

    @property
    def settings(self) -> Settings:
        """The application's settings, as far as its users need them: no command asks the index."""
        return Settings(
            region=self.environment.region,
            bucket=self.outputs["S3BucketName"],
            queue_url=self.outputs["QueueUrl"],
            control_table=self.outputs["ControlTableName"],
            audit_table=self.outputs["AuditTableName"],
            metrics_table=self.outputs["MetricsTableName"],
            vector_bucket=self.outputs.get("VectorBucketName") or "none",
        )

    @property
    def least_tasks(self) -> tuple[int, int]:
        """How many heads and workers there must be, unless it is paused."""
        documents = self.environment.documents
        if self.on_cluster:
            group = self.environment.workers.get(documents.group)
            return 1, group.min if group else 1
        return 1, documents.worker.min

    @property
    def on_cluster(self) -> bool:
        """Whether it runs on the environment's own cluster, as it is deployed."""
        return "ECSClusterName" not in self.outputs

    @property
    def bucket(self) -> str:
        """The bucket that documents are put into."""
        return self.outputs["S3BucketName"]

    def access(self, clients: Clients) -> Access:
        """Return access to its tables, bucket and queue."""
        return access(self.settings, clients)

    def token(self, clients: Clients) -> str:
        """Return the token that its API asks for, from Secrets Manager."""
        arn = self.outputs["TokenSecretArn"]
        with translated("reading the token of the document pipeline"):
            found = clients("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
        try:
            return str(json.loads(found)[TOKEN])
        except (ValueError, KeyError, TypeError) as error:
            raise PipelineError(
                f"the secret {arn} holds no {TOKEN}", hint="deploy the pipeline again"
            ) from error


def find_pipeline(clients: Clients, environment: Environment) -> Pipeline:
    """Return the environment's pipeline; raises Refused when there is none to use."""
    name = environment.documents_stack
    stack = find_stack(clients, name)
    if stack is None:
        raise Refused(
            f"{environment.name} has no document pipeline: there is no stack {name}",
            hint=f"invoke documents.deploy --env {environment.name}",
        )
    if not stack.is_usable:
        raise Refused(
            f"the stack {name} is {stack.status}: {stack.reason or 'no reason is given'}",
            hint=f"invoke documents.deploy --env {environment.name}",
        )
    outputs = Outputs(name, stack.outputs)
    return Pipeline(environment, outputs, stack.is_paused, stack.parameters.get(IMAGE, ""))


def usable_pipeline(clients: Clients, environment: Environment) -> Pipeline:
    """Return the environment's pipeline; raises Refused when there is none, or it is paused."""
    pipeline = find_pipeline(clients, environment)
    if pipeline.paused:
        raise Refused("the pipeline is paused: it answers nothing", hint="invoke documents.resume")
    return pipeline


def service_url(outputs: Mapping[str, str]) -> str:
    """Return where the API answers: at the head's name, inside of its VPC."""
    return f"http://{outputs['HeadName']}:{PORT}"


@contextmanager
def plainly(doing: str) -> Iterator[None]:
    """Translate the application's errors, and botocore's, for a person; ``doing`` is what for."""
    try:
        with translated(doing):
            yield
    except Unavailable as error:
        raise PipelineError(f"{doing}: {error}", hint="run it again in a while") from error
