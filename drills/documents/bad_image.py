"""The stack is updated to an image that does not exist.

In the field: a digest of another repository, or an image that the lifecycle policy has deleted.
Must hold: the deployment circuit breaker ends the deployment, CloudFormation rolls the stack back,
and the pipeline works as before.
Runbook: docs/runbooks/documents.md
"""

from common.waiting import Seen, wait_for
from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 900.0


def run(pipeline: PipelineUnderTest) -> None:
    """Update the stack, and wait for its rollback."""
    repository = pipeline.pipeline.outputs["ECRRepositoryUri"]
    pipeline.update(RayDockerImageUri=f"{repository}@sha256:{'0' * 64}")

    def look() -> Seen[bool]:
        status = pipeline.stack_status()
        return Seen(status == "UPDATE_ROLLBACK_COMPLETE" or None, status)

    wait_for("the rollback", look, clock=pipeline.clock, seconds=WITHIN, every=2.0)
