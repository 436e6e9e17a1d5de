"""What an environment asks of CloudFormation, parameter by parameter."""

from dataclasses import replace
from typing import Any

import pytest

from common.errors import Refused
from deploy.foundation.changes import _refuse_surprises
from deploy.foundation.desired_stack import DesiredStack, parameters, stack_tags
from deploy.foundation.stack_plan import ResourceChange, StackPlan
from deploy.foundation.zones import (
    all_zones,
    endpoint_zones,
    named_zones,
    offered_types,
    zones_of_subnets,
)
from tests.unit.answers import Answers
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.foundation.test_stack import STACK

ACCOUNT = "123456789012"


def test_every_parameter_has_its_value() -> None:
    environment = an_environment(
        nodes={"permissions_boundary": f"arn:aws:iam::{ACCOUNT}:policy/boundary"},
        network={"operator_cidrs": ["10.0.0.0/8", "192.168.0.0/16"], "cidr": "10.77.0.0/16"},
        alarms={"email": "ops@example.com", "head_missing_minutes": 7, "remediate": True},
    )

    found = parameters(environment, ("us-east-1a", "us-east-1b"), ("arn:one", "arn:two"))

    ssm = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter"
    assert found == {
        "Environment": "dev",
        "HeadName": "ray-head.dev.ray.internal",
        "BucketName": f"raykiln-dev-{ACCOUNT}-us-east-1",
        "LeaseTableName": "raykiln-lease-dev",
        "LoadBalancerName": environment.load_balancer,
        "TopicName": environment.topic,
        "SecretName": environment.secret,
        "StateSecretName": environment.state_secret,
        "SecretArns": f"{ssm}{environment.secret},{ssm}{environment.state_secret}",
        "HeadGroupName": environment.head_group,
        "MetricNamespace": environment.names.metric_namespace,
        "OperatorCidr1": "10.0.0.0/8",
        "OperatorCidr2": "192.168.0.0/16",
        "OperatorCidr3": "",
        "OperatorCidr4": "",
        "VpcCidr": "10.77.0.0/16",
        "SubnetBits": "13",
        "NatGateway": "false",
        "ExistingVpcId": "",
        "ExistingSubnetIds": "",
        "ZoneName": environment.dns.zone,
        "ExistingZoneId": "",
        "ExistingBucket": "false",
        "ZoneA": "us-east-1a",
        "ZoneB": "us-east-1b",
        "ZoneC": "",
        "StatePort": "0",
        "StateNodeType": environment.head.redis_node_type,
        "HeadCount": "1",
        "HealthCheckIntervalSeconds": "5",
        "HealthCheckThreshold": "2",
        "AlarmMinutes": "7",
        "AlarmEmail": "ops@example.com",
        "Remediate": "true",
        "LogRetentionDays": "30",
        "HeadPolicyArns": "arn:one,arn:two",
        "MetricsWorkspaceArn": "",
        "PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
        "TagKeys": "project raykiln:environment",
        "Paused": "false",
    }


def test_a_stack_has_the_environment_s_tags_and_its_name() -> None:
    environment = an_environment()

    assert stack_tags(environment) == {"project": "raykiln", "raykiln:environment": "dev"}


def test_too_many_ranges_say_how_many_are_possible() -> None:
    environment = an_environment(
        network={"operator_cidrs": [f"10.{number}.0.0/16" for number in range(5)]}
    )

    with pytest.raises(Refused) as refused:
        parameters(environment)

    assert refused.value.message == (
        "dev: network.operator_cidrs has 5 ranges, at most 4 are possible"
    )
    assert refused.value.hint == "use wider ranges, or a VPN in front of the cluster"


def test_tags_of_others_stay_and_those_that_the_environment_had_do_not() -> None:
    desired = DesiredStack("s", "t", {"TagKeys": "a b"}, {"a": "1", "b": "2"})

    found = desired.beside({"TagKeys": "a old"}, {"a": "0", "old": "x", "theirs": "y"})

    assert found == replace(
        desired,
        parameters={"TagKeys": "a b old"},
        tags={"theirs": "y", "a": "1", "b": "2"},
    )


def test_a_stack_without_a_record_of_its_tags_owns_all_of_them() -> None:
    desired = DesiredStack("s", "t", {"TagKeys": "a"}, {"a": "1"})

    found = desired.beside({}, {"b": "2"})

    assert (found.parameters, found.tags) == ({"TagKeys": "a b"}, {"a": "1"})
    bare = DesiredStack("s", "t", {}, {"a": "1"})
    assert bare.beside({}, {"b": "2"}) is bare


def a_plan(*changes: ResourceChange) -> StackPlan:
    return StackPlan("raykiln-dev", False, changes)


LOSS = ResourceChange("remove", "LeaseTable", "AWS::DynamoDB::Table", "t-1")


def test_a_plan_that_no_longer_holds_is_refused_and_so_is_one_that_loses_data() -> None:
    with pytest.raises(Refused) as refused:
        _refuse_surprises(a_plan(LOSS), a_plan(), accept_losses=True)
    assert refused.value.message == "the stack raykiln-dev has changed since the plan was made"
    assert refused.value.hint == "see the new plan: `invoke plan`"

    with pytest.raises(Refused) as refused:
        _refuse_surprises(a_plan(LOSS), a_plan(LOSS), accept_losses=False)
    assert refused.value.message == (
        "this would lose data:\n  remove LeaseTable (DynamoDB::Table) t-1"
    )
    assert refused.value.hint == (
        "revert the change, or confirm explicitly that the data may be lost"
    )
    _refuse_surprises(a_plan(LOSS), a_plan(LOSS), accept_losses=True)


@pytest.mark.parametrize(
    ("plan", "empty", "replaces_nothing"),
    [
        (a_plan(), True, True),
        (StackPlan("s", True, ()), False, True),
        (StackPlan("s", False, (), has_other_changes=True), False, True),
        (a_plan(replace(LOSS, action="add"), replace(LOSS, action="change")), False, True),
        (a_plan(replace(LOSS, action="may replace")), False, False),
        (a_plan(LOSS), False, False),
    ],
)
def test_a_plan_says_what_it_does(plan: StackPlan, empty: bool, replaces_nothing: bool) -> None:
    assert (plan.is_empty, plan.replaces_nothing) == (empty, replaces_nothing)


@pytest.mark.parametrize(
    ("action", "loses"),
    [
        ("add", False),
        ("change", False),
        ("replace", True),
        ("may replace", True),
        ("remove", True),
    ],
)
def test_only_what_holds_data_loses_it(action: Any, loses: bool) -> None:
    change = replace(LOSS, action=action)

    assert change.loses_state is loses
    assert not replace(change, type="AWS::EC2::VPC").loses_state
    assert a_plan(change, replace(change, type="AWS::EC2::VPC")).losses == (
        (change,) if loses else ()
    )


def test_the_region_s_own_zones_are_asked_for() -> None:
    zones = [
        {"ZoneName": "us-east-1b", "ZoneId": "use1-az2"},
        {"ZoneName": "us-east-1a", "ZoneId": "use1-az1"},
    ]
    aws: Any = Answers(describe_availability_zones={"AvailabilityZones": zones})

    assert list(all_zones(aws).items()) == [("us-east-1a", "use1-az1"), ("us-east-1b", "use1-az2")]
    filters = [
        {"Name": "state", "Values": ["available"]},
        {"Name": "zone-type", "Values": ["availability-zone"]},
    ]
    assert aws.requests == [("ec2:describe_availability_zones", {"Filters": filters})]


def test_offers_are_read_page_by_page_of_the_environment_s_types_alone() -> None:
    def page(*offers: tuple[str, str]) -> dict[str, Any]:
        return {"InstanceTypeOfferings": [{"Location": z, "InstanceType": t} for z, t in offers]}

    aws: Any = Answers(
        describe_instance_type_offerings=(
            page(("a", "m6i.large"), ("b", "m6i.large")),
            page(("a", "g5.xlarge")),
        )
    )

    assert offered_types(aws, an_environment()) == {
        "a": frozenset({"m6i.large", "g5.xlarge"}),
        "b": frozenset({"m6i.large"}),
    }
    assert aws.requests == [
        (
            "ec2:describe_instance_type_offerings",
            {
                "LocationType": "availability-zone",
                "Filters": [{"Name": "instance-type", "Values": ["m6i.large"]}],
            },
        )
    ]


def test_the_zones_of_endpoint_services_are_asked_for_by_their_names() -> None:
    details = [{"ServiceName": "com.amazonaws.us-east-1.ssm", "AvailabilityZones": ["a", "b"]}]
    aws: Any = Answers(describe_vpc_endpoint_services={"ServiceDetails": details})

    assert endpoint_zones(aws, "us-east-1", ["ssm", "logs"]) == {
        "ssm": frozenset({"a", "b"}),
        "logs": frozenset(),
    }
    names = ["com.amazonaws.us-east-1.logs", "com.amazonaws.us-east-1.ssm"]
    filters = [
        {"Name": "service-name", "Values": names},
        {"Name": "service-type", "Values": ["Interface"]},
    ]
    assert aws.requests == [("ec2:describe_vpc_endpoint_services", {"Filters": filters})]
    assert endpoint_zones(aws, "us-east-1", []) == {}


def test_zones_are_in_the_order_of_their_subnets() -> None:
    subnets = [
        {"SubnetId": "subnet-a", "AvailabilityZone": "us-east-1a"},
        {"SubnetId": "subnet-b", "AvailabilityZone": "us-east-1b"},
    ]
    aws: Any = Answers(describe_subnets={"Subnets": subnets})

    assert zones_of_subnets(aws, ("subnet-b", "subnet-a")) == ("us-east-1b", "us-east-1a")
    assert aws.requests == [("ec2:describe_subnets", {"SubnetIds": ["subnet-b", "subnet-a"]})]


def test_a_stack_names_the_zones_that_it_was_given() -> None:
    given = {"ZoneA": "us-east-1a", "ZoneB": "us-east-1c", "ZoneC": ""}

    assert named_zones(replace(STACK, parameters=given)) == ("us-east-1a", "us-east-1c")
    assert named_zones(STACK) == ()
