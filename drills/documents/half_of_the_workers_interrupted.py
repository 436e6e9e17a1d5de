"""AWS takes back half of the workers: those on Fargate Spot, or spot instances.

In the field: Spot's capacity is needed elsewhere. Fargate sends SIGTERM, and SIGKILL after the stop
timeout (docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html); EC2
gives notice two minutes before
(docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html).
Must hold: they finish what they read or leave it to others; the rest go on, and they are replaced.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.local_faults import interrupt_spot
from drills.documents.kit.under_test import PipelineUnderTest

WORKERS = 2
WITHIN = 300.0
LOCAL_ONLY = "AWS interrupts when it needs to, and has no call for it"


def run(pipeline: PipelineUnderTest) -> None:
    """Interrupt the workers on Spot."""
    workers = pipeline.place.workers()
    on_spot = pipeline.place.on_spot(workers)
    words = (
        f"{len(on_spot)} of {len(workers)} workers can be interrupted, since they are on Spot: see"
        " documents.worker.spot_percent, or on a cluster the group's market"
    )
    pipeline.expect(0 < len(on_spot) < len(workers), words)
    interrupt_spot(pipeline, on_spot)
