"""How a pipeline is: its tasks, its documents, what waits, alarms, what was done today.

Touches AWS, changes nothing.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from common.clients import Clients, translated
from common.environment import Environment
from common.errors import PipelineError
from common.waiting import Clock
from deploy.documents.failures import stopped_tasks
from deploy.documents.in_use import ray_of_pipeline, workers_in
from deploy.documents.pipeline import Pipeline, find_pipeline, plainly, service_url
from deploy.documents.services import CLUSTER, Service, services_of
from deploy.operate.status_report import Section
from documents.sweep import backlog

QUEUES = {
    "waiting": ("QueueUrl", "ApproximateNumberOfMessages"),
    "being worked on": ("QueueUrl", "ApproximateNumberOfMessagesNotVisible"),
    "given up": ("DeadLetterQueueUrl", "ApproximateNumberOfMessages"),
    "events given up": ("FunctionDeadLetterQueueUrl", "ApproximateNumberOfMessages"),
}
LOST = ("given up", "events given up")
# Of deploy/documents/template; the last one on Fargate only.
ALARMS = (
    "dead-letters",
    "failed-documents",
    "failed-events",
    "function-errors",
    "head-restarts",
    "no-worker",
    "oldest-waiting",
    "first-worker",
)


@dataclass(frozen=True)
class DocumentsStatus:
    """The facts of one look, and the problems as text; healthy means no problems."""

    environment: str
    url: str
    image: str
    runs_on: str  # a group of the cluster, or Fargate with an image
    is_paused: bool
    services: tuple[Service, ...]
    ray: str  # the nodes that are alive in Ray, or why that is not known
    documents: Mapping[str, int]
    messages: Mapping[str, int]
    alarms: Mapping[str, str]
    today: Mapping[str, float]
    stopped: tuple[str, ...]  # why tasks stopped by themselves, newest first
    problems: tuple[str, ...]

    @property
    def is_healthy(self) -> bool:
        """There are no problems."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return the status as plain data."""
        return {**asdict(self), "healthy": self.is_healthy}

    def sections(self) -> tuple[Section, ...]:
        """Return the status as tables."""
        summary = (
            ("answers at", self.url),
            ("runs on", self.runs_on),
            ("Ray", self.ray),
            ("health", "healthy" if self.is_healthy else "; ".join(self.problems)),
        )
        paused = " (paused)" if self.is_paused else ""
        services = tuple(
            (one.name, f"{one.running} of {one.desired}", one.last_event) for one in self.services
        )
        return (
            Section(f"Documents of {self.environment}{paused}", ("", ""), summary),
            Section("Services", ("service", "tasks", "last event"), services),
            Section("Documents", ("status", "number"), _rows(self.documents)),
            Section("Messages", ("", "number"), _rows(self.messages)),
            Section("Today", ("", "number"), _rows(self.today)),
            Section("Alarms", ("alarm", "state"), _rows(self.alarms)),
            Section("Stopped tasks", ("",), tuple((words,) for words in self.stopped)),
        )


def read_documents_status(
    environment: Environment, clients: Clients, *, clock: Clock
) -> DocumentsStatus:
    """Return how the environment's pipeline is; raises Refused when there is none."""
    pipeline = find_pipeline(clients, environment)
    outputs = pipeline.outputs
    services = () if pipeline.on_cluster else services_of(clients, outputs)
    alarms, messages = _alarms(clients, environment.documents_stack), _messages(clients, outputs)
    found = pipeline.access(clients)
    with plainly("counting documents"):
        documents = backlog(found)
        today = found.metrics.of_day(f"{datetime.fromtimestamp(clock.now(), UTC):%Y-%m-%d}")
    ray, is_up = _ray(clients, pipeline, services)
    return DocumentsStatus(
        environment=environment.name,
        url=service_url(outputs),
        image=pipeline.image,
        runs_on=_place(pipeline),
        is_paused=pipeline.paused,
        services=services,
        ray=ray,
        documents=documents,
        messages=messages,
        alarms=alarms,
        today=today,
        stopped=_stopped(clients, pipeline),
        problems=(
            *([] if is_up or pipeline.paused else [ray]),
            *_problems(pipeline, services, messages, alarms),
        ),
    )


def _place(pipeline: Pipeline) -> str:
    if pipeline.on_cluster:
        return f"the group {pipeline.environment.documents.group} of the cluster"
    return f"Fargate, {pipeline.image or 'no image yet'}"


def _problems(
    pipeline: Pipeline,
    services: tuple[Service, ...],
    messages: Mapping[str, int],
    alarms: Mapping[str, str],
) -> tuple[str, ...]:
    found = [] if services or pipeline.on_cluster else ["no image is deployed yet"]
    found += [
        one.words if not one.failure else f"{one.name}: {one.failure}"
        for one in services
        if one.running < one.desired or one.failure
    ]
    if services and not pipeline.paused and not services[0].desired:
        found.append(f"{services[0].name} should run no task, though the pipeline is not paused")
    found += [f"{messages[name]} {name}" for name in LOST if messages[name]]
    return (*found, *(f"alarm {name}" for name, state in alarms.items() if state == "ALARM"))


def _ray(clients: Clients, pipeline: Pipeline, services: tuple[Service, ...]) -> tuple[str, bool]:
    """Return the nodes in Ray in words, and whether Ray answers."""
    if not pipeline.on_cluster and (not services or not services[0].running):
        return "the head does not run", False
    try:
        workers = workers_in(ray_of_pipeline(clients, pipeline), pipeline)
    except PipelineError as error:
        return f"Ray does not answer: {error.message}", False
    return f"the head and {workers} workers are alive", True


def _stopped(clients: Clients, pipeline: Pipeline) -> tuple[str, ...]:
    if pipeline.on_cluster:
        return ()
    found = stopped_tasks(clients, pipeline.outputs[CLUSTER])
    return tuple(task.words for task in found[:5])


def _alarms(clients: Clients, stack: str) -> dict[str, str]:
    """Return the states of the stack's alarms; another stack's names may begin like this one's."""
    names = [f"{stack}-{name}" for name in ALARMS]
    with translated("reading the alarms"):
        found = clients("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    return {
        one["AlarmName"].removeprefix(f"{stack}-"): _state(one)
        for one in sorted(found, key=lambda one: str(one["AlarmName"]))
    }


def _state(alarm: dict[str, Any]) -> str:
    """Return an alarm's state; a pause, which stops what some look at, turns them all off."""
    return str(alarm["StateValue"]) if alarm["ActionsEnabled"] else f"off, {alarm['StateValue']}"


def _messages(clients: Clients, outputs: Mapping[str, str]) -> dict[str, int]:
    with translated("reading the queues"):
        return {
            words: int(
                clients("sqs").get_queue_attributes(
                    QueueUrl=outputs[output], AttributeNames=[attribute]
                )["Attributes"][attribute]
            )
            for words, (output, attribute) in QUEUES.items()
        }


def _rows(found: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, _number(value)) for name, value in found.items())


def _number(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
