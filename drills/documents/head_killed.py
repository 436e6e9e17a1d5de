"""What the pipeline's head runs on is killed, and no one is told.

In the field: its host fails, or it runs out of memory.
Must hold: there is another head, workers join it, documents that were being read are read again,
and what was answered from is answered from as soon as answers are served. Nothing is lost or twice.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.local_faults import kill
from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 240.0
LOCAL_ONLY = "AWS has no call that kills a task, or cuts an instance's power"


def run(pipeline: PipelineUnderTest) -> None:
    """Kill the head's task or machine."""
    kill(pipeline, pipeline.place.head())
