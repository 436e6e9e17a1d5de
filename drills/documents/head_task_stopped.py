"""The task of the pipeline's head is stopped, and Ray's GCS with it.

In the field: Fargate retires the task, or a deploy replaces it.
Must hold: ECS starts another head, workers join it, documents that were being read are read again,
and what was answered from is answered from as soon as the head serves. Nothing is lost or twice.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.tasks import Tasks
from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 240.0
TASKS_ONLY = "the cluster's own drill head_terminated ends its head in order"


def run(pipeline: PipelineUnderTest) -> None:
    """Stop the head's task."""
    tasks = Tasks(pipeline.pipeline, pipeline.clients)
    head = tasks.head()
    pipeline.record_loss("stopped", head)
    tasks.stop(head)
