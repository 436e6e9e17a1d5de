"""The deploy role carries out every kind of change of a document pipeline, and uses it.

As in test_deploy_role.py: every request of the role, and every request that CloudFormation sends in
its name, is evaluated, and then asked again for another environment's resource, and as if
CloudFormation had not been between.
"""

from typing import Any

import pytest

from common.progress import Silent, say_nothing
from deploy.account.account_setup import set_up_account
from deploy.documents.checks import Checks
from deploy.documents.deploy import Deployment
from deploy.documents.destroy import Destruction
from deploy.documents.failed import failed_documents
from deploy.documents.image import GivenImage, find_image
from deploy.documents.pause import change_pause
from deploy.documents.pipeline import find_pipeline
from deploy.documents.road import head_task
from deploy.documents.shell import ShellRequest, open_shell, task_for
from deploy.documents.status import read_documents_status
from deploy.reach.port_session import TO_INSTANCE
from documents.identity import ObjectRef
from localcloud.patches.iam import enforced, role_decides
from localcloud.patches.iam.policies import Answer, Check
from localcloud.patches.iam.record import decisions
from tests.unit.deploy.account.conftest import Account, an_environment_within
from tests.unit.deploy.account.neighbours import of_another_environment, past_cloudformation
from tests.unit.deploy.account.test_deploy_role import (
    NOT_TOLD_APART,
    ROLE,
    allowed,
    is_direct,
    unique,
)
from tests.unit.deploy.documents.pipeline import IMAGE, run_tasks
from tests.unit.localcloud.fakes import FakeClock

pytestmark = pytest.mark.slow

# As in NOT_TOLD_APART: of what only a pipeline's stack creates.
BESIDES = {
    "ec2:AllocateAddress": "it has no name; its tags are refused, and so is the request",
    "ec2:CreateNatGateway": "as above",
    "ec2:CreateVpcEndpoint": "as above",
}


def in_use(*given: Any, **more: Any) -> str:
    """Find that it is used: no head answers here."""
    return "in use"


class Life:
    """A pipeline's life as the deploy role."""

    def __init__(self, account: Account, clock: FakeClock) -> None:
        self.environment, self.clock = account.environment, clock
        self.clients = account.as_role("deploy")

    def deploy(self, *, force: bool = False) -> None:
        made = (self.environment, self.clients, self.clock, GivenImage(IMAGE), force)
        deployment = Deployment(*made, in_use=in_use, way=lambda *_: ())
        deployment.run(deployment.plan(), Silent())

    def use(self) -> None:
        """Do what add, ask, retry and a drill do, without what answers on the head."""
        pipeline = find_pipeline(self.clients, self.environment)
        checks = Checks(pipeline, self.clients, self.clock, say_nothing)
        assert [one.name for one in checks.of_the_stack() if not one.passed] == []
        find_image(self.clients, pipeline.outputs["ECRRepositoryUri"], "v1")
        pipeline.token(self.clients)
        key, s3 = "input/drill/a.pdf", self.clients("s3")
        s3.put_object(Bucket=pipeline.bucket, Key=key, Body=b"a")
        ref = ObjectRef(pipeline.bucket, key)
        pipeline.access(self.clients).listing.records([ref])
        failed_documents(pipeline, self.clients)
        s3.delete_object(Bucket=pipeline.bucket, Key=key)
        self.clients("ssm").start_session(
            Target=head_task(self.clients, pipeline),
            DocumentName=TO_INSTANCE,
            Parameters={"portNumber": ["8000"]},
        )
        shell = task_for(self.clients, pipeline, ShellRequest())
        open_shell(self.clients, "plugin", shell, ["id"])
        cluster = pipeline.outputs["ECSClusterName"]
        names = {"cluster": cluster, "serviceName": pipeline.outputs["RayWorkerServiceName"]}
        (task,) = self.clients("ecs").list_tasks(**names)["taskArns"]
        self.clients("ecs").stop_task(cluster=cluster, task=task)

    def status(self) -> Any:
        return read_documents_status(self.environment, self.clients, clock=self.clock)

    def pause(self, paused: bool) -> None:
        change_pause(
            self.clients,
            self.environment,
            paused,
            clock=self.clock,
            progress=Silent(),
            in_use=in_use,
        )

    def destroy(self) -> None:
        destruction = Destruction(self.environment, self.clients, self.clock)
        destruction.words()
        destruction.run(Silent())
        assert not destruction.exists()


def test_it_deploys_uses_and_destroys_a_pipeline_and_may_nothing_beside(
    account: Account, clock: FakeClock
) -> None:
    life = Life(account, clock)
    clock.listeners.append(run_tasks)

    with enforced(), decisions() as decided:
        life.deploy()
        life.status()
        life.use()
        life.deploy(force=True)
        life.pause(True)
        life.pause(False)
        life.destroy()

    asked = unique(one for one in decided if one.principal.endswith(f"{ROLE}/somebody"))
    assert [one for one in asked if not one.allowed] == []
    checks = [one.check for one in asked]
    others = [one for one in checks if of_another_environment(one) != one]
    through = [one for one in checks if "aws:calledvia" in one.context]
    assert len(others) > 100
    assert len(through) > 100
    assert allowed(of_another_environment(one) for one in others) <= {*NOT_TOLD_APART, *BESIDES}
    past = allowed(past_cloudformation(one) for one in through if not is_direct(one))
    assert past == {"ecs:UpdateService"}  # pause, resume and --force call it themselves


@pytest.mark.parametrize("drills", [True, False])
def test_only_where_drills_may_run_it_breaks_the_function_of_this_environment(
    account: Account, clock: FakeClock, drills: bool
) -> None:
    environment = an_environment_within(account={"drills": drills})
    set_up_account(account.administrator, environment, clock=clock, progress=Silent())
    functions = "arn:aws:lambda:us-east-1:123456789012:function:ray-documents"

    for action in (
        "lambda:PutFunctionConcurrency",
        "lambda:DeleteFunctionConcurrency",
        "lambda:GetFunctionConfiguration",
        "lambda:UpdateFunctionConfiguration",
    ):
        ours = Check(action, f"{functions}-dev-s3-event-handler", {})
        theirs = Check(action, f"{functions}-prod-s3-event-handler", {})
        assert (role_decides(ROLE, ours) is Answer.ALLOWED) == drills
        assert role_decides(ROLE, theirs) is Answer.NOT_ALLOWED
