"""Fargate takes back the workers on Spot, which are half of them.

In the field: Fargate Spot is needed elsewhere: SIGTERM, and SIGKILL after the stop timeout
(docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-capacity-providers.html).
Must hold: they finish what they read or leave it to others; the rest go on, and ECS replaces them.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.local_faults import interrupt_spot
from drills.documents.kit.under_test import WORKERS as SERVICE
from drills.documents.kit.under_test import PipelineUnderTest

WORKERS = 2
WITHIN = 240.0
LOCAL_ONLY = "Fargate interrupts tasks when it needs to, and has no call for it"


def run(pipeline: PipelineUnderTest) -> None:
    """Interrupt the workers on Spot."""
    tasks = pipeline.tasks(SERVICE)
    on_spot = pipeline.on_spot(tasks)
    words = f"{len(on_spot)} of {len(tasks)} workers are on Spot; set documents.worker.spot_percent"
    pipeline.expect(0 < len(on_spot) < len(tasks), words)
    interrupt_spot(pipeline, on_spot)
