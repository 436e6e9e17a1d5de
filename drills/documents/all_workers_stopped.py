"""All worker tasks are stopped at once.

In the field: Fargate Spot takes back all of them, or a zone is lost.
Must hold: the head goes on answering, ECS starts other workers, and what waits is read by them.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 240.0


def run(pipeline: PipelineUnderTest) -> None:
    """Stop every worker's task."""
    pipeline.stop(pipeline.tasks("RayWorkerServiceName"))
