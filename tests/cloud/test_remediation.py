"""An alarm invokes the function that the template makes: a process with its role's keys.

The head here is a bare machine that runs no guard: it is in service and renews no lease.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from common.environment import Environment
from common.waiting import Seen
from deploy.foundation.desired_stack import desired_stack
from tests.cloud.harness import AwsError, Cloud, eventually, until
from tests.unit.deploy.builders import an_environment

ALARM = "raykiln-dev-no-leader"
HOLDER = "i-0before"
LOGS = "/aws/lambda/raykiln-dev-remediation"
SMALL = {"operator_cidrs": ["10.77.0.1/32"], "endpoints": False}


@pytest.fixture
def environment(cloud: Cloud) -> Iterator[Environment]:
    """A foundation with remediation switched on."""
    made = an_environment(network=SMALL, alarms={"remediate": True})
    wanted = desired_stack(made, ("us-east-1a", "us-east-1b"))
    pairs = wanted.parameters.items()
    cloud.aws.cloudformation.create_stack(
        StackName=wanted.name,
        TemplateBody=wanted.template,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in pairs],
        Capabilities=["CAPABILITY_IAM"],
    )
    until("the foundation", lambda: whole(cloud, wanted.name))
    yield made
    cloud.aws.cloudformation.delete_stack(StackName=wanted.name)
    eventually("the foundation's deletion", lambda: is_gone(cloud, wanted.name))


def whole(cloud: Cloud, name: str) -> Seen[str]:
    status = cloud.aws.cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    return Seen(status if status == "CREATE_COMPLETE" else None, status)


def is_gone(cloud: Cloud, name: str) -> bool:
    try:
        return not cloud.aws.cloudformation.describe_stacks(StackName=name)["Stacks"]
    except AwsError:
        return True


@pytest.fixture
def head(cloud: Cloud, environment: Environment) -> Iterator[str]:
    """A head in service, while another one's lease is not renewed.

    The lease is created first: alarms go to ALARM by themselves as soon as there is an environment.
    """
    cloud.aws.dynamodb.put_item(
        TableName=environment.lease_table,
        Item={
            "cluster": {"S": "dev"},
            "epoch": {"N": "1"},
            "beat": {"N": "7"},
            "holder": {"S": HOLDER},
            "released": {"BOOL": False},
        },
    )
    outputs = cloud.aws.cloudformation.describe_stacks(StackName=environment.stack)["Stacks"][0]
    subnets = {o["OutputKey"]: o["OutputValue"] for o in outputs["Outputs"]}["PrivateSubnetIds"]
    cloud.aws.ec2.create_launch_template(
        LaunchTemplateName="bare",
        LaunchTemplateData={"ImageId": cloud.base_image(), "InstanceType": "t3.micro"},
    )
    cloud.aws.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=environment.head_group,
        MinSize=1,
        MaxSize=1,
        VPCZoneIdentifier=subnets,
        LaunchTemplate={"LaunchTemplateName": "bare", "Version": "1"},
    )
    eventually("a head in service", lambda: "InService" in members(cloud, environment).values())
    (found,) = members(cloud, environment)
    yield found
    name = {"AutoScalingGroupName": environment.head_group}
    cloud.aws.autoscaling.delete_auto_scaling_group(**name, ForceDelete=True)
    eventually("the group's deletion", lambda: not groups(cloud, environment))
    cloud.aws.ec2.delete_launch_template(LaunchTemplateName="bare")


def groups(cloud: Cloud, environment: Environment) -> list[dict[str, Any]]:
    name = environment.head_group
    found = cloud.aws.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return list(found["AutoScalingGroups"])


def members(cloud: Cloud, environment: Environment) -> dict[str, str]:
    (group,) = groups(cloud, environment)
    return {one["InstanceId"]: one["LifecycleState"] for one in group["Instances"]}


def printed(cloud: Cloud) -> list[str]:
    events = cloud.aws.logs.filter_log_events(logGroupName=LOGS)["events"]
    return [event["message"] for event in events]


def test_a_head_that_renews_no_lease_is_replaced_by_the_alarm(
    cloud: Cloud, environment: Environment, head: str
) -> None:
    told = {"AlarmName": ALARM, "StateReason": "a test"}
    cloud.aws.cloudwatch.set_alarm_state(StateValue="OK", **told)

    cloud.aws.cloudwatch.set_alarm_state(StateValue="ALARM", **told)

    eventually(
        "another head in service",
        lambda: "InService" in [s for i, s in members(cloud, environment).items() if i != head],
    )
    record = cloud.aws.dynamodb.get_item(
        TableName=environment.lease_table, Key={"cluster": {"S": "dev#remediation"}}
    )["Item"]
    (act,) = record["acts"]["L"]
    assert act["M"]["head"]["S"] == head
    words = f"{head} is replaced: no leader; last holder of the lease: {HOLDER}"
    eventually("its words in the log", lambda: words in printed(cloud))
    # All three alarms are in ALARM: none of their runs leaves anything.
    eventually("the end of every run", lambda: not [*cloud.place.run.glob("function-*")])
