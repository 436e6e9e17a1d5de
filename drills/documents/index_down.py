"""The vector index answers nothing but 503 for a minute.

In the field: S3 Vectors is down.
Must hold: documents wait and questions fail for that time; no attempt counts, nothing is lost.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.local_faults import break_service
from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 300.0
LOCAL_ONLY = "S3 Vectors does not fail on request"
SECONDS = 60.0


def run(pipeline: PipelineUnderTest) -> None:
    """Let the index be down for a while."""
    break_service(pipeline, "s3vectors", "down", SECONDS)
