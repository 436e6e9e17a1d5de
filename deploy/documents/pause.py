"""Pause a pipeline, and resume it: no head and no workers, nothing lost. Touches AWS.

Documents that come meanwhile wait in the queue. Only one parameter of the stack changes: what the
environment's file says otherwise is for a deploy.
"""

from collections.abc import Callable

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused
from common.progress import Progress
from common.waiting import Clock
from deploy.documents import on_cluster
from deploy.documents.document_checks import await_use
from deploy.documents.failures import explained, log_groups
from deploy.documents.pipeline import Pipeline, find_pipeline
from deploy.documents.services import CLUSTER, await_steady, await_stopped, start_tasks, stop_tasks
from deploy.foundation.pause import set_paused

PAUSE = "stop all that runs: nothing answers, and documents wait in the queue"
RESUME = "start it again: documents that waited are taken in"


def change_pause(
    clients: Clients,
    environment: Environment,
    paused: bool,
    *,
    clock: Clock,
    progress: Progress,
    in_use: Callable[..., str] = await_use,
) -> Pipeline:
    """Pause or resume; a resumed pipeline is in use when this returns.

    Raises Refused without a pipeline, PipelineError with what its tasks said when it failed.
    """
    before = find_pipeline(clients, environment)
    progress.begin("pause" if paused else "resume")
    try:
        set_paused(clients, environment.documents_stack, paused, clock=clock, progress=progress.say)
        pipeline = find_pipeline(clients, environment)
        if paused:
            _await_stopped(clients, pipeline, clock, progress)
            seen = "nothing runs"
        else:
            if not pipeline.on_cluster:
                _start(clients, pipeline, clock, progress)
            seen = in_use(pipeline, clients, clock=clock, progress=progress.say)
    except Refused:
        raise
    except PipelineError as error:
        if before.on_cluster:
            raise
        outputs = before.outputs
        message = explained(error, clients, outputs[CLUSTER], log_groups(outputs))
        raise type(error)(message, hint=error.hint) from error
    progress.end(seen)
    return pipeline


def _await_stopped(clients: Clients, pipeline: Pipeline, clock: Clock, progress: Progress) -> None:
    if pipeline.on_cluster:
        on_cluster.await_stopped(clients, pipeline, clock=clock, progress=progress.say)
        return
    stop_tasks(clients, pipeline.outputs)
    await_stopped(clients, pipeline.outputs, clock=clock, progress=progress.say)


def _start(clients: Clients, pipeline: Pipeline, clock: Clock, progress: Progress) -> None:
    start_tasks(clients, pipeline.outputs, pipeline.least_tasks)
    await_steady(
        clients,
        pipeline.outputs,
        least=pipeline.least_tasks,
        clock=clock,
        progress=progress.say,
    )
