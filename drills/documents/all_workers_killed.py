"""All workers of the pipeline are killed at once.

In the field: a zone is lost, or each of them runs out of memory.
Must hold: others are started, and documents that were being read are read by them once the claims
have lapsed; on Fargate, where the head answers, it goes on answering. Nothing is lost or twice.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.local_faults import kill
from drills.documents.kit.under_test import PipelineUnderTest

WORKERS = 2
WITHIN = 300.0
LOCAL_ONLY = "AWS has no call that kills a task, or cuts an instance's power"


def run(pipeline: PipelineUnderTest) -> None:
    """Kill every worker's task or machine."""
    kill(pipeline, pipeline.place.workers())
