"""The deploy role carries out every kind of change of a cluster; what lies beside it is denied.

Every request of the role, and every request that CloudFormation sends in its name, is evaluated.
Then each is asked again for another environment's resource, and as if CloudFormation had not been
between.
"""

from collections.abc import Iterable

import pytest

from common.progress import Silent
from deploy.cluster.state import ClusterState
from deploy.operate.pause import Pause
from deploy.operate.status import read_status
from deploy.verify.alarm_delivery import deliver_alarm
from localcloud.patches.iam import role_decides
from localcloud.patches.iam.policies import Answer, Check
from localcloud.patches.iam.record import Decision, decisions
from tests.unit.deploy.account.neighbours import of_another_environment, past_cloudformation
from tests.unit.deploy.conftest import Cluster, bake

pytestmark = pytest.mark.slow

ROLE = "raykiln-dev-deploy"
# Allowed for another environment too, as AWS offers nothing to tell them apart by.
NOT_TOLD_APART = {
    "ec2:CreateInternetGateway": "it has no name; its tags are refused, and so is the request",
    "ec2:CreateRouteTable": "as above",
    "ec2:CreateSecurityGroup": "as above",
    "ec2:CreateSubnet": "as above",
    "ec2:CreateVpc": "as above",
    "elasticloadbalancing:CreateTargetGroup": "CloudFormation chooses the name",
    "elasticloadbalancing:AddTags": "of a target group that has no tags yet, by its name",
    "route53:AssociateVPCWithHostedZone": "a zone has an id, and no condition on its tags",
    "ec2:RunInstances": "on what a launch creates; the launch template is told apart",
    "iam:GetPolicy": "it only reads: preflight looks for policies that a person names",
    "ec2:CreateTags": "at a launch, of what the launch template says",
    "ssm:SendCommand": "the document is AWS's; the instance is told apart",
}


def test_it_deploys_rolls_and_destroys_and_may_nothing_beside(deployed_by_role: Cluster) -> None:
    with decisions() as decided:
        whole_life(deployed_by_role)

    asked = unique(one for one in decided if one.principal.endswith(f"{ROLE}/somebody"))
    assert [one for one in asked if not one.allowed] == []
    checks = [one.check for one in asked]
    others = [one for one in checks if of_another_environment(one) != one]
    through = [one for one in checks if "aws:calledvia" in one.context]
    assert len(others) > 150
    assert len(through) > 100
    assert allowed(of_another_environment(one) for one in others) <= set(NOT_TOLD_APART)
    assert allowed(past_cloudformation(one) for one in through if not is_direct(one)) == set()


def whole_life(cluster: Cluster) -> None:
    """Deploy, look, roll the head, try an alarm, pause and resume, destroy."""
    cluster.deploy()
    assert cluster.state().leader is not None
    assert cluster.prepare().rollout.plan.is_empty
    read_status(cluster.environment, cluster.clients)
    topic = "arn:aws:sns:us-east-1:123456789012:raykiln-dev"
    deliver_alarm(cluster.clients, topic, "raykiln-dev-autoscaler", clock=cluster.clock)

    bake(cluster.nodes.aws, "head")
    cluster.deploy()
    assert cluster.prepare().rollout.plan.is_empty

    environment, clock = cluster.environment, cluster.clock
    Pause(cluster.clients, environment, clock, Silent()).run()
    assert cluster.state().instances == ()
    cluster.prepare(resumes=True).rollout.run(Silent())
    assert cluster.state().leader is not None

    cluster.destroy()
    assert cluster.state() == ClusterState()


def unique(decided: Iterable[Decision]) -> list[Decision]:
    """Return each action on each resource once."""
    return list({(d.check.action, d.check.resource, d.allowed): d for d in decided}.values())


def allowed(checks: Iterable[Check]) -> set[str]:
    """Return the actions that the role may take."""
    return {one.action for one in checks if role_decides(ROLE, one) is Answer.ALLOWED}


def is_direct(check: Check) -> bool:
    """Say whether deploy takes this action itself too, or it only reads what takes no resource."""
    verb = check.action.partition(":")[2]
    return verb.startswith(("Describe", "List", "Get")) or check.action in (
        "iam:PassRole",
        "ec2:CreateTags",  # of what a launch creates, which CloudFormation does not
        "sns:Subscribe",  # verify tries an alarm
        "s3:ListBucket",
    )
