"""Keeps the tasks that ECS wants on this host, and passes their output on to CloudWatch Logs.

Follows "Send Amazon ECS logs to CloudWatch" (docs.aws.amazon.com/AmazonECS/latest/developerguide/
using_awslogs.html). A step never waits: threads do the slow work (localcloud/containers/task.py).
"""

from botocore.exceptions import ClientError

from localcloud.containers.images import ContainerImages
from localcloud.containers.task import RunningTask
from localcloud.network import Network
from localcloud.patches.ecs import records, runtime
from localcloud.patches.internal import call
from localcloud.paths import Paths
from localcloud.world import World

EVENTS = 1000  # of one PutLogEvents
MEASURED_EVERY = 5.0  # seconds


class Agent:
    """The tasks on this host."""

    def __init__(self, world: World, place: Paths, network: Network) -> None:
        self._world, self._place, self._network = world, place, network
        self._images = ContainerImages(place)
        self._tasks: dict[str, RunningTask] = {}
        self._measured = 0.0

    def reconcile(self, now: float) -> None:
        """Start what is new, stop what has to stop, report what is gone."""
        for plan in runtime.plans() if records.is_used() else ():
            task = self._tasks.get(plan.task_id)
            if task is None and plan.stopping:
                runtime.gone(plan.task_id)
            elif task is None:
                task = RunningTask(plan, self._world, self._place, self._network, self._images)
                self._tasks[plan.task_id] = task
                task.begin()
            elif plan.stopping:
                task.stop()
        if now >= self._measured + MEASURED_EVERY:
            self._measured = now
            self._measure(now)
        for task in list(self._tasks.values()):
            gone = task.is_gone.is_set()
            self._ship(task)
            if gone:
                del self._tasks[task.plan.task_id]
                runtime.gone(task.plan.task_id)

    def _measure(self, now: float) -> None:
        for task in self._tasks.values():
            if used := task.usage(now):
                runtime.usage(task.plan.task_id, *used)

    def _ship(self, task: RunningTask) -> None:
        for plan in task.plan.containers:
            container = task.containers.get(plan.name)
            lines = container.take_lines() if container else []
            for start in range(0, len(lines), EVENTS):
                if plan.log:
                    self._put(plan.log, lines[start : start + EVENTS])

    def _put(self, where: tuple[str, str], lines: list[tuple[float, str]]) -> None:
        events = [{"timestamp": int(at * 1000), "message": text or " "} for at, text in lines]
        names = {"logGroupName": where[0], "logStreamName": where[1]}
        try:
            call("logs", "put_log_events", **names, logEvents=events)
        except ClientError as error:
            # As on Fargate, a container outlives its log group, and its output is lost.
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
