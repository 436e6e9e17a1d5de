"""A probe's instance with an SSM agent, and sessions with it."""

from typing import Any

from tests.probes.kit.instances import launch
from tests.probes.kit.place import Place
from tests.probes.kit.stacks import create_stack, role

# What nodes may (TakeCommands of deploy/foundation/template.yaml).
COMMANDS = [
    *("ssm:UpdateInstanceInformation", "ssm:ListInstanceAssociations"),
    *("ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel"),
    *("ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"),
    *("ec2messages:AcknowledgeMessage", "ec2messages:DeleteMessage", "ec2messages:FailMessage"),
    *("ec2messages:GetEndpoint", "ec2messages:GetMessages", "ec2messages:SendReply"),
]
AGENT = role(
    {"Service": "ec2.amazonaws.com"}, {"Effect": "Allow", "Action": COMMANDS, "Resource": "*"}
)
PROFILE = {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "Agent"}]}}


def launch_with_agent(place: Place, more: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Launch an instance whose agent may take sessions, in a stack with ``more`` resources.

    Returns the instance's id, and the ids of the resources, by name.
    """
    made = create_stack(place, {"Agent": AGENT, "Profile": PROFILE} | more)
    return launch(place, IamInstanceProfile={"Name": made["Profile"]}), made
