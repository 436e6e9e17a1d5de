"""The function that S3 notifies fails for a minute, each time after it has written the record.

In the field: a deploy has broken its role or its settings.
Must hold: Lambda tries again, after one minute and after two more, and no document is lost.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.function import break_function
from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 360.0
SECONDS = 60.0


def run(pipeline: PipelineUnderTest) -> None:
    """Let it fail for a while."""
    break_function(pipeline)
    pipeline.clock.sleep(SECONDS)
