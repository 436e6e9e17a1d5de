"""Whoever connects ends the sessions that they started, and no others."""

import pytest
from botocore.exceptions import ClientError

from common.clients import Clients
from localcloud.patches.iam import enforced, role_credentials
from tests.unit.deploy.account.conftest import Account, CheckedClients
from tests.unit.localcloud.fakes import FakeClock

PORT = "AWS-StartPortForwardingSession"


@pytest.fixture
def head(account: Account, clock: FakeClock) -> str:
    """A head of the environment, as far as Session Manager sees it."""
    ec2 = account.administrator("ec2")
    image = ec2.register_image(Name="base", RootDeviceName="/dev/xvda", Architecture="x86_64")
    tags = [
        {"Key": "raykiln:environment", "Value": "dev"},
        {"Key": "raykiln:role", "Value": "head"},
    ]
    made = ec2.run_instances(
        ImageId=image["ImageId"],
        MinCount=1,
        MaxCount=1,
        InstanceType="t3.micro",
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    clock.advance(10)
    return str(made["Instances"][0]["InstanceId"])


def started(clients: Clients, head: str) -> str:
    with enforced():
        made = clients("ssm").start_session(
            Target=head, DocumentName=PORT, Parameters={"portNumber": ["8265"]}
        )
    return str(made["SessionId"])


@pytest.mark.parametrize("kind", ["deploy", "scientist"])
def test_a_role_ends_its_own_session_and_not_another_persons(
    account: Account, head: str, kind: str
) -> None:
    mine = account.as_role(kind)
    theirs = CheckedClients(role_credentials(f"raykiln-dev-{kind}", "another"))
    own, other = started(mine, head), started(theirs, head)

    with enforced():
        mine("ssm").terminate_session(SessionId=own)
        with pytest.raises(ClientError, match="AccessDenied"):
            mine("ssm").terminate_session(SessionId=other)

    found = account.administrator("ssm").describe_sessions(State="Active")["Sessions"]
    assert [session["SessionId"] for session in found] == [other]
