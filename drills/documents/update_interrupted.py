"""The deployer is killed in the middle of the stack's update, and the same command is run again.

In the field: a laptop is closed, a CI job is cancelled.
Must hold: CloudFormation goes on by itself, and the second deploy waits for it and finishes.
Runbook: docs/runbooks/documents.md
"""

from drills.documents.kit.deploys import DONE, deploy
from drills.documents.kit.under_test import PipelineUnderTest

WITHIN = 600.0


def run(pipeline: PipelineUnderTest) -> None:
    """Kill a deploy of other settings, deploy them again, and then the former ones."""
    first = deploy(pipeline, altered=True)
    pipeline.cleanup.callback(lambda: deploy(pipeline).await_exit(DONE, WITHIN))
    first.await_update(WITHIN)
    first.kill()
    pipeline.record_fault("the deployer is killed in the stack's update")
    began = pipeline.clock.now()
    deploy(pipeline, altered=True).await_exit(DONE, WITHIN)
    pipeline.figures["second deploy"] = pipeline.clock.now() - began
