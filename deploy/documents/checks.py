"""The acceptance list of a pipeline: what was created, whether it runs, a document all the way.

Touches AWS and the API.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from common.clients import Clients, translated
from common.environment import Environment
from common.progress import Say, say_nothing
from common.waiting import Clock
from deploy.documents.document_checks import DocumentChecks
from deploy.documents.in_use import api_of_pipeline, ray_of_pipeline, workers_in
from deploy.documents.pipeline import Pipeline, find_pipeline, service_url
from deploy.documents.services import services_of
from deploy.verify.check import Check, Verdict, check

TABLES = ("ControlTableName", "AuditTableName", "MetricsTableName")


def run_document_checks(
    environment: Environment, clients: Clients, *, clock: Clock, progress: Say = say_nothing
) -> tuple[Check, ...]:
    """Return all checks; raises Refused when there is no pipeline.

    What needs head and workers is not looked at while the pipeline is paused.
    """
    pipeline = find_pipeline(clients, environment)
    checks = Checks(pipeline, clients, clock, progress)
    found = tuple(checks.of_the_stack())
    if pipeline.paused:
        return found
    of_a_document = DocumentChecks(pipeline, clients, clock, progress).run()
    return (*found, *checks.of_the_cluster(), *of_a_document)


@dataclass(frozen=True)
class Checks:
    """The checks of one pipeline."""

    pipeline: Pipeline
    clients: Clients
    clock: Clock
    progress: Say

    def of_the_stack(self) -> Iterator[Check]:
        """Check what CloudFormation has created."""
        yield self._check("resources", self._resources)
        yield self._check("bucket", self._bucket)
        yield self._check("tables", self._tables)
        yield self._check("function", self._function)

    def of_the_cluster(self) -> Iterator[Check]:
        """Check that head and workers run, and are used."""
        seconds = float(self.pipeline.environment.limits.workers_ready_seconds)
        if not self.pipeline.on_cluster:
            yield self._check("services", self._services, seconds)
        yield self._check("Ray", self._ray, seconds)
        yield self._check("API", self._api, seconds)

    def _check(self, name: str, look: Callable[[], Verdict], seconds: float = 0.0) -> Check:
        return check(name, look, clock=self.clock, timeout=seconds, progress=self.progress)

    def _resources(self) -> Verdict:
        name = self.pipeline.environment.documents_stack
        with translated(f"listing the resources of {name}"):
            pages = self.clients("cloudformation").get_paginator("list_stack_resources")
            found = pages.paginate(StackName=name).build_full_result()["StackResourceSummaries"]
        wrong = [
            f"{one['LogicalResourceId']} {one['ResourceStatus']}"
            for one in found
            if not one["ResourceStatus"].endswith("_COMPLETE")
        ]
        return Verdict(bool(found) and not wrong, "; ".join(wrong) or f"{len(found)} resources")

    def _bucket(self) -> Verdict:
        bucket = self.pipeline.bucket
        with translated(f"looking at s3://{bucket}"):
            self.clients("s3").head_bucket(Bucket=bucket)
            found = self.clients("s3").get_bucket_notification_configuration(Bucket=bucket)
        notifies = len(found.get("LambdaFunctionConfigurations", ()))
        return Verdict(notifies > 0, f"{bucket}, {notifies} notifications to the function")

    def _tables(self) -> Verdict:
        states = {}
        for output in TABLES:
            name = self.pipeline.outputs[output]
            with translated(f"looking at the table {name}"):
                found = self.clients("dynamodb").describe_table(TableName=name)["Table"]
            states[name] = found["TableStatus"]
        words = ", ".join(f"{name} {state}" for name, state in states.items())
        return Verdict(set(states.values()) == {"ACTIVE"}, words)

    def _function(self) -> Verdict:
        name = self.pipeline.outputs["LambdaFunctionName"]
        with translated(f"looking at the function {name}"):
            found = self.clients("lambda").get_function(FunctionName=name)["Configuration"]
        return Verdict(found.get("State") == "Active", f"{name} {found.get('State')}")

    def _services(self) -> Verdict:
        found = services_of(self.clients, self.pipeline.outputs)
        words = "; ".join(service.words for service in found) or "there are none"
        return Verdict(bool(found) and all(service.is_steady for service in found), words)

    def _ray(self) -> Verdict:
        ray = ray_of_pipeline(self.clients, self.pipeline)
        workers, (_, least) = workers_in(ray, self.pipeline), self.pipeline.least_tasks
        leads = any(node.leads for node in ray.nodes())
        words = f"{'the head' if leads else 'no head'} and {workers} workers are alive"
        return Verdict(leads and workers >= least, words)

    def _api(self) -> Verdict:
        url = service_url(self.pipeline.outputs)
        answered = api_of_pipeline(self.clients, self.pipeline).answered()
        return Verdict(answered == "200", f"{url} answers {answered}")
