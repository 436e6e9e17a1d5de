"""A stack as CloudFormation describes it, and the foundation that it is."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from common.errors import PipelineError
from deploy.foundation.desired_stack import DesiredStack
from deploy.foundation.stack import (
    Foundation,
    Stack,
    find_foundation,
    find_stack,
    foundation_of,
    with_zones,
)
from deploy.foundation.stack_changes import applied_stack, is_up_to_date, remove_stack
from deploy.foundation.vpc import vpc_ranges
from deploy.release.settings import Access
from tests.unit.answers import Answers, refused
from tests.unit.deploy.builders import a_foundation, a_group, a_release, an_environment
from tests.unit.localcloud.fakes import FakeClock

DESCRIBED: dict[str, Any] = {
    "StackId": "arn:stack",
    "StackName": "raykiln-dev",
    "StackStatus": "UPDATE_COMPLETE",
    "StackStatusReason": "why",
    "Parameters": [{"ParameterKey": "Paused", "ParameterValue": "true"}],
    "Tags": [{"Key": "team", "Value": "ml"}],
    "Outputs": [{"OutputKey": "VpcId", "OutputValue": "vpc-1"}],
}
STACK = Stack(
    id="arn:stack",
    name="raykiln-dev",
    status="UPDATE_COMPLETE",
    reason="why",
    parameters={"Paused": "true"},
    tags={"team": "ml"},
    outputs={"VpcId": "vpc-1"},
)
OUTPUTS = {
    "VpcId": "vpc-1",
    "PrivateSubnetIds": "subnet-a,subnet-b",
    "HeadSecurityGroupId": "sg-head",
    "WorkerSecurityGroupId": "sg-worker",
    "HeadInstanceProfileArn": "arn:head",
    "WorkerInstanceProfileArn": "arn:worker",
    "BucketName": "a-bucket",
    "LeaseTableName": "a-table",
    "LoadBalancerArn": "arn:lb",
    "LoadBalancerDnsName": "lb.example",
    "TargetGroupArns": "arn:1,arn:2",
    "TopicArn": "arn:topic",
    "HeadName": "ray-head.dev",
}
MORE = {
    "StateAddress": "rediss://redis:6379",
    "HeadRoleName": "a-head",
    "WorkerPolicyArn": "arn:policy",
    "EndpointSecurityGroupId": "sg-endpoints",
    "LoadBalancerSecurityGroupId": "sg-lb",
    "ZoneId": "Z1",
    "TagKeys": "one two",
}
LEAST = Foundation(
    vpc_id="vpc-1",
    private_subnet_ids=("subnet-a", "subnet-b"),
    head_security_group_id="sg-head",
    worker_security_group_id="sg-worker",
    head_instance_profile_arn="arn:head",
    worker_instance_profile_arn="arn:worker",
    bucket_name="a-bucket",
    lease_table_name="a-table",
    load_balancer_arn="arn:lb",
    load_balancer_dns_name="lb.example",
    target_group_arns=("arn:1", "arn:2"),
    topic_arn="arn:topic",
    head_name="ray-head.dev",
)


def test_a_stack_is_all_that_cloudformation_says_of_it() -> None:
    aws: Any = Answers(describe_stacks={"Stacks": [DESCRIBED]})

    assert find_stack(aws, "raykiln-dev") == STACK
    assert aws.requests == [("cloudformation:describe_stacks", {"StackName": "raykiln-dev"})]


def test_what_a_stack_lacks_is_empty() -> None:
    bare = {key: DESCRIBED[key] for key in ("StackId", "StackName", "StackStatus")}
    aws: Any = Answers(describe_stacks={"Stacks": [bare]})

    assert find_stack(aws, "raykiln-dev") == replace(
        STACK, reason="", parameters={}, tags={}, outputs={}
    )


@pytest.mark.parametrize(
    "answer",
    [
        refused("ValidationError", "Stack with id raykiln-dev does not exist"),
        {"Stacks": [DESCRIBED | {"StackStatus": "DELETE_COMPLETE"}]},
    ],
)
def test_a_stack_that_does_not_exist_or_was_deleted_is_none(answer: Any) -> None:
    aws: Any = Answers(describe_stacks=answer)

    assert find_stack(aws, "raykiln-dev") is None


@pytest.mark.parametrize(
    "error", [refused("ValidationError", "no"), refused("AccessDenied", "does not exist")]
)
def test_another_refusal_is_an_error(error: ClientError) -> None:
    with pytest.raises(PipelineError, match="looking for the stack raykiln-dev: AWS answered"):
        find_stack(Answers(describe_stacks=error), "raykiln-dev")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "usable", "in_progress"),
    [
        ("CREATE_COMPLETE", True, False),
        ("CREATE_IN_PROGRESS", False, True),
        ("CREATE_FAILED", False, False),
        ("REVIEW_IN_PROGRESS", False, False),
        ("ROLLBACK_COMPLETE", False, False),
        ("UPDATE_IN_PROGRESS", True, True),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", True, True),
        ("UPDATE_ROLLBACK_IN_PROGRESS", True, True),
        ("UPDATE_ROLLBACK_COMPLETE", True, False),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", True, True),
        ("UPDATE_ROLLBACK_FAILED", False, False),
        ("DELETE_IN_PROGRESS", False, True),
    ],
)
def test_a_stack_is_usable_or_not_by_its_status(
    status: str, usable: bool, in_progress: bool
) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html"""
    stack = replace(STACK, status=status)

    assert (stack.is_usable, stack.in_progress) == (usable, in_progress)


def test_a_stack_is_paused_only_by_its_parameter() -> None:
    assert STACK.is_paused
    assert not replace(STACK, parameters={"Paused": "false"}).is_paused
    assert not replace(STACK, parameters={}).is_paused


def test_a_foundation_is_what_the_stacks_output() -> None:
    stack = replace(
        STACK, outputs=OUTPUTS | MORE, parameters={"StateSecretName": "/a", "Paused": "true"}
    )
    nodes = replace(STACK, outputs={"gpuRole": "a-role"})

    assert foundation_of(stack, nodes) == replace(
        LEAST,
        state_address="rediss://redis:6379",
        state_secret="/a",
        head_role_name="a-head",
        worker_policy_arn="arn:policy",
        endpoint_security_group_id="sg-endpoints",
        load_balancer_security_group_id="sg-lb",
        zone_id="Z1",
        tag_keys=("one", "two"),
        is_paused=True,
        nodes={"gpuRole": "a-role"},
    )


def test_a_foundation_of_an_early_stack_lacks_what_came_later() -> None:
    stack = replace(STACK, outputs=OUTPUTS, parameters={})

    assert foundation_of(stack, replace(STACK, status="CREATE_FAILED")) == LEAST
    assert foundation_of(stack) == LEAST


def test_a_stack_that_is_not_ours_is_named_with_what_it_lacks() -> None:
    outputs = {name: value for name, value in OUTPUTS.items() if name != "TopicArn"}

    with pytest.raises(PipelineError) as failed:
        foundation_of(replace(STACK, outputs=outputs))

    assert failed.value.message == (
        "the stack raykiln-dev (UPDATE_COMPLETE) has no output 'TopicArn'"
    )
    assert failed.value.hint == "is it Raykiln's? If not, set another name under names.stack"


def test_a_foundation_is_found_by_the_names_of_its_stacks() -> None:
    outputs = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
    usable = {**DESCRIBED, "Outputs": outputs, "Parameters": []}
    missing = refused("ValidationError", "does not exist")
    aws: Any = Answers(describe_stacks=[{"Stacks": [usable]}, missing])

    assert find_foundation(aws, an_environment()) == LEAST
    assert [request for _, request in aws.requests] == [
        {"StackName": "raykiln-dev"},
        {"StackName": "raykiln-dev-nodes"},
    ]
    failed = {**usable, "StackStatus": "CREATE_FAILED"}
    assert find_foundation(Answers(describe_stacks={"Stacks": [failed]}), an_environment()) is None  # type: ignore[arg-type]


def test_a_foundation_gets_the_zones_of_its_private_subnets() -> None:
    subnets = [
        {"SubnetId": "subnet-b", "AvailabilityZone": "us-east-1b"},
        {"SubnetId": "subnet-a", "AvailabilityZone": "us-east-1a"},
    ]
    aws: Any = Answers(describe_subnets={"Subnets": subnets})

    found = with_zones(aws, a_foundation())

    assert found == replace(
        a_foundation(),
        subnet_zones=(("subnet-a", "us-east-1a"), ("subnet-b", "us-east-1b")),
    )
    filters = [{"Name": "subnet-id", "Values": ["subnet-a", "subnet-b"]}]
    assert aws.requests == [("ec2:describe_subnets", {"Filters": filters})]


def test_the_ranges_of_a_vpc_are_those_that_are_associated() -> None:
    blocks = [
        {"CidrBlock": cidr, "CidrBlockState": {"State": state}}
        for cidr, state in (
            ("10.2.0.0/16", "associated"),
            ("10.1.0.0/16", "associated"),
            ("10.3.0.0/16", "disassociated"),
        )
    ]
    aws: Any = Answers(describe_vpcs={"Vpcs": [{"CidrBlockAssociationSet": blocks}]})

    assert vpc_ranges(aws, "vpc-1") == ("10.1.0.0/16", "10.2.0.0/16")
    assert aws.requests == [("ec2:describe_vpcs", {"VpcIds": ["vpc-1"]})]


def test_what_was_last_applied_is_read_from_the_stack() -> None:
    aws: Any = Answers(get_template=[{"TemplateBody": "text"}, {"TemplateBody": {"a": [1, 2]}}])

    assert applied_stack(aws, STACK) == DesiredStack(
        "raykiln-dev", "text", {"Paused": "true"}, {"team": "ml"}
    )
    assert applied_stack(aws, STACK).template == '{"a":[1,2]}'
    request = {"StackName": "arn:stack", "TemplateStage": "Original"}
    assert aws.requests == [("cloudformation:get_template", request)] * 2


@pytest.mark.parametrize(
    ("changes", "up_to_date"),
    [
        ({}, True),
        ({"status": "CREATE_COMPLETE"}, True),
        ({"status": "UPDATE_ROLLBACK_COMPLETE"}, False),
        ({"parameters": {}}, False),
        ({"tags": {}}, False),
    ],
)
def test_a_stack_is_up_to_date_when_nothing_differs(
    changes: dict[str, Any], up_to_date: bool
) -> None:
    aws: Any = Answers(get_template={"TemplateBody": "text"})
    desired = DesiredStack("raykiln-dev", "text", STACK.parameters, STACK.tags)
    stack = replace(STACK, **changes)

    assert is_up_to_date(aws, stack, desired) is up_to_date
    assert not is_up_to_date(aws, stack, replace(desired, template="other"))


def test_what_a_group_lacks_of_its_own_is_named() -> None:
    group = a_group(name="gpu", placement="cluster")
    assert not a_foundation().is_ready_for(group)

    with pytest.raises(PipelineError) as failed:
        a_foundation().placement_group(group)

    assert failed.value.message == (
        "gpu has no PlacementGroup of its own yet, in the stack of the nodes"
    )
    assert failed.value.hint == "deploy again"
    ready = replace(a_foundation(), nodes={"gpuPlacementGroup": "pg-1"})
    assert ready.is_ready_for(group)
    assert ready.placement_group(group) == "pg-1"
    assert a_foundation().placement_group(a_group(name="gpu")) == ""


def test_profile_and_security_groups_are_the_group_s_own_or_those_of_all() -> None:
    access = Access(policy_arns=("arn:policy",), efs=(("fs-1", "/mnt"),))
    named = replace(access, security_group_ids=("sg-named",))
    own = replace(a_foundation(), nodes={"gpuProfile": "arn:own", "gpuSecurityGroup": "sg-own"})
    gpu, plain = a_group(name="gpu", access=named), a_group()

    assert own.worker_profile(gpu) == "arn:own"
    assert own.worker_profile(plain) == own.worker_instance_profile_arn
    assert own.worker_security_groups(gpu) == ("sg-worker", "sg-own", "sg-named")
    assert own.worker_security_groups(plain) == ("sg-worker",)
    assert own.is_ready_for(gpu)
    for lacking in own.nodes:
        nodes = {name: value for name, value in own.nodes.items() if name != lacking}
        assert not replace(own, nodes=nodes).is_ready_for(gpu)


def test_heads_have_a_security_group_of_their_own_only_where_they_need_it() -> None:
    settings = a_release(head_access=Access(egress=("tcp/443 to 10.0.0.0/8",))).settings
    own = replace(a_foundation(), nodes={"headSecurityGroup": "sg-own"})

    assert own.head_security_groups(settings) == ("sg-head", "sg-own")
    assert own.is_ready_for_heads(settings)
    assert not a_foundation().is_ready_for_heads(settings)
    assert a_foundation().is_ready_for_heads(a_release().settings)
    assert a_foundation().head_security_groups(a_release().settings) == ("sg-head",)


def test_a_stack_that_is_not_there_need_not_be_removed() -> None:
    aws: Any = Answers(describe_stacks=refused("ValidationError", "does not exist"))

    assert remove_stack(aws, "raykiln-dev", clock=FakeClock()) is False
