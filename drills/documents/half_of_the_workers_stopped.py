"""Half of the worker tasks, rounded up, are stopped.

In the field: Fargate Spot interrupts them: SIGTERM, and SIGKILL after their stop timeout
(docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html).
Must hold: they finish what they read or leave it to others; the rest go on, and ECS replaces them.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 240.0


def run(pipeline: PipelineUnderTest) -> None:
    """Stop half of the workers' tasks."""
    tasks = pipeline.tasks("RayWorkerServiceName")
    pipeline.stop(tasks[: (len(tasks) + 1) // 2])
