"""The function that S3 notifies may not run for a minute.

In the field: other functions have used up the account's concurrency, or someone has stopped it.
Must hold: the events are dropped to the function's dead letters, and the sweep finds their objects.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.function import throttle_function
from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 480.0  # a sweep comes every 300 s
SECONDS = 60.0


def run(pipeline: PipelineUnderTest) -> None:
    """Let it not run for a while."""
    throttle_function(pipeline)
    pipeline.clock.sleep(SECONDS)
