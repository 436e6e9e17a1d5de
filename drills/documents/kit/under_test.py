"""The deployed pipeline under test: its tasks, its stack, and what a client uses of it.

Touches AWS and the API.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from common.clients import Clients, translated
from common.environment import Environment
from common.errors import Refused, Unanswered
from common.waiting import Clock, SystemClock
from deploy.documents.pipeline import Pipeline, find_pipeline, plainly, service_url
from deploy.documents.question import Api
from documents.control.claims import DONE
from documents.identity import INPUT, ObjectRef
from documents.providers.interfaces import Passage

TRIES = 60
FOLDER = "drill/"


def pipeline_under_test(environment: Environment, clients: Clients) -> "PipelineUnderTest":
    """Return the environment's pipeline; raises Refused when there is none, or it is paused."""
    pipeline = find_pipeline(clients, environment)
    if pipeline.paused:
        raise Refused("the pipeline is paused", hint="invoke documents.resume")
    api = Api(service_url(pipeline.outputs), pipeline.token(clients))
    return PipelineUnderTest(pipeline, clients, SystemClock(), api)


@dataclass
class PipelineUnderTest:
    """One run of a drill on one pipeline; ``faults`` say what was broken."""

    pipeline: Pipeline
    clients: Clients
    clock: Clock
    api: Api
    faults: list[str] = field(default_factory=list)

    def put(self, name: str, content: bytes) -> None:
        """Upload a document; tries for a minute."""
        for left in reversed(range(TRIES)):
            try:
                bucket = self.pipeline.bucket
                self.clients("s3").put_object(
                    Bucket=bucket, Key=INPUT + FOLDER + name, Body=content
                )
                return
            except (ClientError, BotoCoreError) as error:
                if not left:
                    raise Unanswered(f"uploading {name}: {error}") from error
                self.clock.sleep(1.0)

    def done(self, names: Sequence[str]) -> list[str]:
        """Return which of these are answered from."""
        refs = {ObjectRef(self.pipeline.bucket, INPUT + FOLDER + name): name for name in names}
        with plainly("reading the control table"):
            records = self.pipeline.access(self.clients).listing.records(list(refs))
        return [name for ref, name in refs.items() if records.get(ref.id, {}).get("status") == DONE]

    def passages(self, question: str, count: int) -> Sequence[Passage]:
        """Return the passages for a question, with the client's own names as sources."""
        return [
            Passage(
                tuple(source.removeprefix(FOLDER) for source in one.sources),
                one.page,
                one.heading,
                one.text,
                one.score,
            )
            for one in self.api.ask(question, count).passages
        ]

    def remove(self, names: Sequence[str]) -> None:
        """Delete what was added."""
        with translated("deleting the drill's documents"):
            for name in names:
                key = INPUT + FOLDER + name
                self.clients("s3").delete_object(Bucket=self.pipeline.bucket, Key=key)

    def tasks(self, service: str) -> list[str]:
        """Return the ARNs of a service's running tasks; ``service`` is the output of its name."""
        names = {"cluster": self._cluster, "serviceName": self.pipeline.outputs[service]}
        with translated("listing tasks"):
            pages = self.clients("ecs").get_paginator("list_tasks")
            return sorted(arn for page in pages.paginate(**names) for arn in page["taskArns"])

    def stop(self, tasks: Sequence[str]) -> None:
        """Stop tasks; ECS sends SIGTERM, and SIGKILL when they take too long."""
        with translated("stopping tasks"):
            for arn in tasks:
                self.clients("ecs").stop_task(cluster=self._cluster, task=arn, reason="a drill")
        self.faults.append(f"stopped {', '.join(arn.rpartition('/')[2] for arn in tasks)}")

    def update(self, **parameters: str) -> None:
        """Update the stack with these parameters changed, as it is otherwise."""
        name = self.pipeline.environment.documents_stack
        with translated(f"updating the stack {name}"):
            found = self.clients("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
            kept: list[dict[str, Any]] = [
                {"ParameterKey": one["ParameterKey"], "UsePreviousValue": True}
                for one in found.get("Parameters", ())
                if one["ParameterKey"] not in parameters
            ]
            given = [{"ParameterKey": n, "ParameterValue": v} for n, v in parameters.items()]
            self.clients("cloudformation").update_stack(
                StackName=name,
                UsePreviousTemplate=True,
                Parameters=[*kept, *given],
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
        self.faults.append(f"updated the stack with {', '.join(parameters)}")

    def stack_status(self) -> str:
        """Return the status of the stack."""
        name = self.pipeline.environment.documents_stack
        with translated(f"looking at the stack {name}"):
            found = self.clients("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        return str(found["StackStatus"])

    @property
    def _cluster(self) -> str:
        return self.pipeline.outputs["ECSClusterName"]
