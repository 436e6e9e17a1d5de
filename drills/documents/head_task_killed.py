"""The task of the pipeline's head is killed, and no one is told.

In the field: its host fails, or it runs out of memory.
Must hold: ECS starts another head, workers join it, documents that were being read are read again,
and what was answered from is answered from as soon as the head serves. Nothing is lost or twice.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.local_faults import kill_tasks
from drills.documents.kit.under_test import HEAD, PipelineUnderTest

WITHIN = 240.0
LOCAL_ONLY = "ECS has no call that kills a task without SIGTERM"


def run(pipeline: PipelineUnderTest) -> None:
    """Kill the head's first process."""
    kill_tasks(pipeline, pipeline.tasks(HEAD))
