"""S3's events of two versions of a document come twice and in the wrong order.

In the field: S3 delivers at least once, and in no order
(docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html).
Must hold: the newest version is answered from, once; the event of the older one changes nothing.
Runbook: docs/runbooks/documents.md
"""

from documents.quality.plain_pdf import plain_pdf
from drills.documents.kit.local_faults import affect_events
from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 240.0
LOCAL_ONLY = "S3 delays and repeats events when it does, and has no call for it"
DOCUMENTS = 4
SECONDS = 40.0  # the late events come after 30 s


def run(pipeline: PipelineUnderTest) -> None:
    """Upload older versions whose events are late, then the newest, whose events come twice."""
    documents = [pipeline.client.document() for _ in range(DOCUMENTS)]
    affect_events(pipeline, "late", "twice")
    for one in documents:
        pipeline.put(one.name, plain_pdf([f"An older version of {one.name}."]))
    affect_events(pipeline, "twice")
    for one in documents:
        pipeline.client.add(one)
    pipeline.clock.sleep(SECONDS)
