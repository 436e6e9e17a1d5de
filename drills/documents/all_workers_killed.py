"""All worker tasks are killed at once.

In the field: a zone is lost, or each of them runs out of memory.
Must hold: the head goes on answering, ECS starts other workers, and documents that were being read
are read by them once the claims have lapsed. Nothing is lost or twice.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.local_faults import kill_tasks
from drills.documents.kit.under_test import WORKERS as SERVICE
from drills.documents.kit.under_test import PipelineUnderTest

WORKERS = 2
WITHIN = 300.0
LOCAL_ONLY = "ECS has no call that kills a task without SIGTERM"


def run(pipeline: PipelineUnderTest) -> None:
    """Kill every worker's first process."""
    kill_tasks(pipeline, pipeline.tasks(SERVICE))
