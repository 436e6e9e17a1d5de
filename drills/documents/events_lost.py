"""S3's events are lost for half a minute.

In the field: someone has changed the bucket's notifications, or the function's permission.
Must hold: the sweep finds the objects that no event stands for.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.local_faults import affect_events
from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 480.0  # a sweep comes every 300 s
LOCAL_ONLY = "S3 loses no events on request"
SECONDS = 30.0


def run(pipeline: PipelineUnderTest) -> None:
    """Lose the events of a while."""
    affect_events(pipeline, "lost")
    pipeline.clock.sleep(SECONDS)
