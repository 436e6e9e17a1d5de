"""An image that does not exist is deployed.

In the field: a digest of another repository, or an image that the lifecycle policy has deleted.
Must hold: the circuit breaker ends the deployment, CloudFormation rolls the stack back, the deploy
says so (3), and what ran before runs again.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.deploys import ROLLED_BACK, deploy
from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 900.0
TASKS_ONLY = "the cluster's image is baked and tested, and its deploy refuses any other"


def run(pipeline: PipelineUnderTest) -> None:
    """Deploy it, and wait for the rollback."""
    repository = pipeline.pipeline.outputs["ECRRepositoryUri"]
    began = pipeline.clock.now()
    pipeline.record_fault("an image that does not exist is deployed")
    deploy(pipeline, image=f"{repository}@sha256:{'0' * 64}").await_exit(ROLLED_BACK, WITHIN)
    pipeline.figures["rolled back"] = pipeline.clock.now() - began
