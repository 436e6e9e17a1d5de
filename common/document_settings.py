"""The ``[documents]`` of an environment: where the document pipeline runs, and how big it is.

The application's own settings are in ``documents/settings.py``; those that a person may choose are
repeated here, and reach it through the stack. Fargate's sizes are those of
docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size.
"""

from ipaddress import IPv4Network
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from common.aws_rules import RULES, follows
from common.environment_tables import ADDRESS, EMAIL
from common.table import Table, Text, like

GIB = 1024
# CPU units to the memory in MiB that go with them: the least, the most, and the step between.
FARGATE_SIZES = {
    256: (512, 2 * GIB, 512),
    512: (GIB, 4 * GIB, GIB),
    1024: (2 * GIB, 8 * GIB, GIB),
    2048: (4 * GIB, 16 * GIB, GIB),
    4096: (8 * GIB, 30 * GIB, GIB),
    8192: (16 * GIB, 60 * GIB, 4 * GIB),
    16384: (32 * GIB, 120 * GIB, 8 * GIB),
}
# What CloudWatch Logs takes: docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/
# API_PutRetentionPolicy.html
RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
# Memory for 256 CPU units doubles instead of growing in steps.
QUARTER = (512, GIB, 2 * GIB)
# The smallest in which Ray has room for a consumer (consumer_memory, documents/settings.py) beside
# its object store.
LEAST_OF_WORKER = 2 * GIB


# What describes tasks of Fargate and their network.
ONLY_FARGATE = ("network", "cidr", "nat", "endpoints", "head", "worker", "base", "image")


class TaskSize(Table):
    """What one task has: ``cpu`` in CPU units (1024 are one vCPU), ``memory`` in MiB."""

    cpu: int = 1024
    memory: int = 4 * GIB

    @model_validator(mode="after")
    def _is_a_size_of_fargate(self) -> Self:
        if self.cpu not in FARGATE_SIZES:
            raise ValueError(f"cpu must be one of {', '.join(map(str, FARGATE_SIZES))}")
        least, most, step = FARGATE_SIZES[self.cpu]
        fits = least <= self.memory <= most and self.memory % step == 0
        if not fits or (self.cpu == 256 and self.memory not in QUARTER):
            raise ValueError(
                f"{self.cpu} CPU units take {least} to {most} MiB of memory in steps of {step}"
            )
        return self


class DocumentWorkers(TaskSize):
    """The worker tasks: how many, and the share of them on Fargate Spot."""

    min: int = Field(default=1, ge=0, le=1000)
    max: int = Field(default=10, ge=1, le=1000)
    spot_percent: int = Field(default=0, ge=0, le=100)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min = {self.min} is more than max = {self.max}")
        return self

    @model_validator(mode="after")
    def _has_room_for_a_document(self) -> Self:
        if self.memory < LEAST_OF_WORKER:
            raise ValueError(
                f"memory = {self.memory} has no room for what reads a document: "
                f"a worker needs {LEAST_OF_WORKER} MiB"
            )
        return self


class Documents(Table):
    """The document pipeline of an environment."""

    # fargate: a stack with tasks of ECS. ec2: a group of the environment's own cluster.
    runs_on: Literal["fargate", "ec2"] = "fargate"
    group: Text = "documents"
    # own: the stack makes a VPC. cluster: that of the environment's cluster.
    network: Literal["own", "cluster"] = "own"
    cidr: IPv4Network = IPv4Network("10.78.0.0/16")
    # How tasks reach AWS, and OpenAI and Pinecone, from their private subnets.
    nat: bool = True
    endpoints: bool = False
    head: TaskSize = TaskSize()
    worker: DocumentWorkers = DocumentWorkers()
    # The name that FROM takes in the Containerfile.
    base: Text = "debian:12-slim"
    # An image that exists already, by digest; empty: it is built and pushed.
    image: Text = ""
    bucket: Annotated[Text, follows(RULES["bucket"])] = ""
    embeddings: Literal["local", "openai"] = "local"
    index: Literal["s3vectors", "pinecone"] = "s3vectors"
    answers: Literal["extractive", "openai"] = "extractive"
    pinecone_host: Text = ""
    tokens_per_day: int | None = Field(default=None, ge=1)
    # Secrets that exist already, as JSON: {"OPENAI_API_KEY": …}, {"PINECONE_API_KEY": …}. Empty:
    # the stack makes them, without a value.
    openai_secret_arn: Text = ""
    pinecone_secret_arn: Text = ""
    email: Annotated[Text, like(EMAIL, ADDRESS)] = ""
    log_days: int = 30

    @model_validator(mode="after")
    def _logs_are_kept_as_long_as_cloudwatch_takes(self) -> Self:
        if self.log_days not in RETENTIONS:
            raise ValueError(f"log_days must be one of {', '.join(map(str, RETENTIONS))}")
        return self

    @property
    def calls_others(self) -> bool:
        """Whether it calls OpenAI or Pinecone."""
        return "openai" in (self.embeddings, self.answers) or self.index == "pinecone"

    @property
    def secret_arns(self) -> tuple[str, ...]:
        """The secrets that exist already; one may have both keys."""
        given = (self.openai_secret_arn, self.pinecone_secret_arn)
        return tuple(dict.fromkeys(arn for arn in given if arn))

    @property
    def on_cluster(self) -> bool:
        """Whether it runs on the environment's own cluster."""
        return self.runs_on == "ec2"

    @model_validator(mode="after")
    def _says_nothing_of_what_it_has_not(self) -> Self:
        fields = type(self).model_fields
        given = [key for key in ONLY_FARGATE if getattr(self, key) != fields[key].default]
        if self.on_cluster and given:
            raise ValueError(
                f'{", ".join(given)}: remove it, as runs_on = "ec2" has no tasks of Fargate; '
                "[workers.NAME] describes its instances"
            )
        if not self.on_cluster and self.group != fields["group"].default:
            raise ValueError('group: only runs_on = "ec2" has one')
        return self

    @model_validator(mode="after")
    def _has_a_way_out(self) -> Self:
        if self.index == "pinecone" and not self.pinecone_host:
            raise ValueError('index = "pinecone" needs pinecone_host, the index\'s host')
        if self.on_cluster:
            return self
        if self.network == "own" and not (self.nat or self.endpoints):
            raise ValueError("tasks in private subnets need nat = true or endpoints = true")
        if self.network == "own" and self.calls_others and not self.nat:
            raise ValueError("OpenAI and Pinecone are reached through a NAT: set nat = true")
        return self
