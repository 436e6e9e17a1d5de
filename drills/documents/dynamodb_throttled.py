"""DynamoDB throttles every request for a minute.

In the field: a partition or the account has reached its limit.
Must hold: documents wait and questions fail for that time; no attempt counts, nothing is lost.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.local_faults import break_service
from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 300.0
LOCAL_ONLY = "DynamoDB throttles no one on request"
SECONDS = 60.0


def run(pipeline: PipelineUnderTest) -> None:
    """Let DynamoDB throttle for a while."""
    break_service(pipeline, "dynamodb", "throttled", SECONDS)
