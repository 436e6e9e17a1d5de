"""The foundation's stack against CloudFormation as the local cloud has it."""

import ast
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from cfnlint import lint_file

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused
from deploy.cluster.alarms import ALARMS
from deploy.cluster.secret import ensure_secret
from deploy.foundation import desired_stack as desired
from deploy.foundation.body import FUNCTION, TEMPLATE, template_body
from deploy.foundation.changes import apply_foundation, plan_foundation, remove_foundation
from deploy.foundation.desired_stack import desired_stack, parameters
from deploy.foundation.stack import Foundation, find_foundation, find_stack, foundation_of
from deploy.foundation.stack_plan import ResourceChange, StackPlan
from localcloud.patches import elasticache
from localcloud.patches.cloudformation.template import parse
from localcloud.world import World
from tests.simulation.cloud import have_stores
from tests.unit.deploy.builders import an_environment
from tests.unit.localcloud.fakes import FakeClock

Client = Callable[[str], Any]
KEEPING = {"instance_type": "m6i.large", "state": "redis", "redis_node_type": "cache.t4g.small"}


class Ground:
    """One environment's foundation, and an operator's actions on it."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.clients = Clients("us-east-1")
        self.said: list[str] = []

    def plan(self, environment: Environment) -> StackPlan:
        return plan_foundation(self.clients, environment, clock=self.clock)

    def apply(self, environment: Environment, **options: Any) -> Foundation:
        plan = options.pop("plan", None) or self.plan(environment)
        return apply_foundation(
            self.clients,
            environment,
            plan,
            clock=self.clock,
            progress=self.said.append,
            **options,
        )

    def remove(self, environment: Environment) -> bool:
        return remove_foundation(self.clients, environment, clock=self.clock)

    def status(self) -> str:
        stacks = boto3.client("cloudformation").describe_stacks()["Stacks"]
        return str(stacks[0]["StackStatus"]) if stacks else ""


@pytest.fixture
def ground(world: World, clock: FakeClock) -> Ground:
    world.reconcilers.append(have_stores)
    return Ground(clock)


@pytest.fixture
def edited(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Change the template for a test: ``edited(old, new)``."""

    def edit(old: str, new: str) -> None:
        assert old in template_body({})
        monkeypatch.setattr(
            "deploy.foundation.desired_stack.template_body",
            lambda generated: template_body(generated).replace(old, new),
        )

    return edit


def names(changes: tuple[ResourceChange, ...]) -> set[str]:
    return {change.name for change in changes}


# --- The template ---------------------------------------------------------------------------------


def test_cfn_lint_accepts_the_template() -> None:
    assert [str(match) for match in lint_file(TEMPLATE)] == []


def body_of(**network: Any) -> str:
    """Return the template body of an environment with this network."""
    cidrs = {"operator_cidrs": ["10.0.0.0/8"]}
    environment = an_environment(network=cidrs | network)
    return desired_stack(environment, (), vpc_cidrs=("10.9.0.0/16",)).template


EXISTING = {
    "vpc_id": "vpc-01234567",
    "private_subnet_ids": ["subnet-01234567", "subnet-89abcdef"],
}
ENDPOINTS = {"endpoints": ["ssm", "s3"], "route_table_ids": ["rtb-01234567"]}


@pytest.mark.parametrize("network", [{"zones": 3}, EXISTING, EXISTING | ENDPOINTS])
def test_cfn_lint_accepts_the_template_body(tmp_path: Path, network: dict[str, Any]) -> None:
    body = tmp_path / "body.yaml"
    body.write_text(body_of(**network))

    assert [str(match) for match in lint_file(body)] == []


def test_the_template_body_has_the_template_s_meaning() -> None:
    written, sent = parse(TEMPLATE.read_text()), parse(template_body({}))
    code = sent["Resources"]["Remediation"]["Properties"].pop("Code")["ZipFile"]

    assert written["Resources"]["Remediation"]["Properties"].pop("Code") == {
        "ZipFile": FUNCTION.name
    }
    # Parameters are described, and statements named, for who reads the template alone.
    for parameter in written["Parameters"].values():
        parameter.pop("Description", None)
    assert sent == without_sids(written)
    assert undocumented(code) == undocumented(FUNCTION.read_text())


def without_sids(tree: Any) -> Any:
    """Return a template's tree without the names of statements."""
    if isinstance(tree, dict):
        return {key: without_sids(value) for key, value in tree.items() if key != "Sid"}
    return [without_sids(one) for one in tree] if isinstance(tree, list) else tree


def undocumented(code: str) -> str:
    """Return code in a canonical form, without docstrings and comments."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and len(node.body) > 1:
            node.body = node.body[bool(ast.get_docstring(node)) :]
    return ast.dump(tree)


def test_the_template_body_fits_into_a_request() -> None:
    # 51,200 bytes: CloudFormation quotas, template body size in a request.
    assert len(body_of(zones=3).encode()) < 51_200


def test_every_alarm_has_a_runbook() -> None:
    pages = {page.name for page in (TEMPLATE.parents[2] / "docs" / "runbooks").iterdir()}
    pages -= {
        "stuck-deploy.md",
        "remediation.md",
        "worker-launch.md",
        "documents.md",
    }  # of no alarm

    assert set(re.findall(r"docs/runbooks/([\w-]+\.md)", template_body({}))) == pages
    assert {f"{name}.md" for name in ALARMS} == pages


def test_the_parameters_are_those_of_the_template(ground: Ground) -> None:
    answer = boto3.client("cloudformation").get_template_summary(TemplateBody=template_body({}))

    assert {p["ParameterKey"] for p in answer["Parameters"]} == set(parameters(an_environment()))


def test_the_subnets_fill_whatever_range_the_vpc_has() -> None:
    network = {"cidr": "10.1.0.0/22", "operator_cidrs": ["10.0.0.0/8"]}

    assert parameters(an_environment(network=network))["SubnetBits"] == "7"


def test_heads_may_reach_a_redis_only_when_it_keeps_ray_s_state(ground: Ground) -> None:
    stateful = {"instance_type": "m6i.large", "state": "redis", "redis": "state.ray:6380"}

    assert "HeadToState" not in names(ground.plan(an_environment()).changes)
    assert "HeadToState" in names(ground.plan(an_environment(head=stateful)).changes)
    assert parameters(an_environment(head=stateful))["StatePort"] == "6380"


def test_a_redis_is_created_with_the_secret_and_its_address_is_an_output(ground: Ground) -> None:
    ensure_secret(ground.clients, an_environment().state_secret, {})
    assert ground.apply(an_environment()).state_address == ""

    made = ground.apply(an_environment(head=KEEPING))

    (plan,) = elasticache.plans()
    assert made.state_address == f"rediss://{plan.endpoint}:6379"
    assert made.state_secret == "/ray/dev/state_password"
    parameter = boto3.client("ssm").get_parameter(
        Name="/ray/dev/state_password", WithDecryption=True
    )
    assert plan.tokens == (parameter["Parameter"]["Value"],)
    assert parameter["Parameter"]["Value"] not in str(stack_as_shown())
    added = {"HeadToMadeState", "State", "StateSecurityGroup", "StateSubnets"}
    assert added == names(ground.plan(an_environment()).changes)  # they would be deleted again


def stack_as_shown() -> list[Any]:
    """Return what CloudFormation shows of the stack to anyone who may read it."""
    client, name = boto3.client("cloudformation"), "raykiln-dev"
    return [
        client.describe_stacks(StackName=name)["Stacks"],
        client.describe_stack_events(StackName=name)["StackEvents"],
        client.get_template(StackName=name)["TemplateBody"],
    ]


def test_a_redis_that_is_no_longer_configured_is_deleted(ground: Ground) -> None:
    ensure_secret(ground.clients, an_environment().state_secret, {})
    ground.apply(an_environment(head=KEEPING))

    assert ground.apply(an_environment()).state_address == ""

    assert elasticache.plans() == ()
    client = boto3.client("elasticache")
    assert client.describe_cache_subnet_groups()["CacheSubnetGroups"] == []


def test_more_operator_ranges_than_the_template_has_are_refused() -> None:
    cidrs = [f"10.{number}.0.0/16" for number in range(5)]

    with pytest.raises(Refused, match="operator_cidrs has 5 ranges, at most 4 are possible"):
        desired_stack(an_environment(network={"operator_cidrs": cidrs}), ())


# --- Alarm actions --------------------------------------------------------------------------------


def functions_of(ground: Ground, environment: Environment) -> dict[str, list[str]]:
    """Return the functions that each alarm invokes."""
    ground.apply(environment)
    alarms = boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return {
        alarm["AlarmName"]: [arn for arn in alarm["AlarmActions"] if ":lambda:" in arn]
        for alarm in alarms
    }


def test_alarms_only_notify_unless_remediation_is_on(ground: Ground) -> None:
    environment = an_environment()

    assert not environment.alarms.remediate
    assert set(map(tuple, functions_of(ground, environment).values())) == {()}
    assert boto3.client("lambda").list_functions()["Functions"] == []


STANDBY = {"instance_type": "m6i.large", "standby": 1}


def test_four_alarms_remediate_when_remediation_is_on(ground: Ground) -> None:
    ground.apply(an_environment(head=STANDBY))
    switched_on = an_environment(head=STANDBY, alarms={"remediate": True})

    added = {change for change in ground.plan(switched_on).changes if change.action == "add"}

    (function,) = functions_of(ground, switched_on)["raykiln-dev-no-leader"]
    assert function.endswith(":function:raykiln-dev-remediation")
    assert functions_of(ground, switched_on) == {
        "raykiln-dev-head-not-ready": [function],
        "raykiln-dev-no-leader": [function],
        "raykiln-dev-no-standby": [function],
        "raykiln-dev-no-healthy-target": [function],
        "raykiln-dev-head-launch": [],
        "raykiln-dev-autoscaler": [],
    }
    assert {change.name for change in added} == {
        "Remediation",
        "RemediationLogs",
        "RemediationPermission",
        "RemediationRole",
    }


def test_an_alarm_watches_the_standby_that_an_environment_keeps(ground: Ground) -> None:
    ground.apply(an_environment())
    assert "raykiln-dev-no-standby" not in listed_alarms()

    ground.apply(an_environment(head=STANDBY, alarms={"head_missing_minutes": 4}))

    assert "raykiln-dev-no-standby" in listed_alarms()
    (alarm,) = boto3.client("cloudwatch").describe_alarms(AlarmNames=["raykiln-dev-no-standby"])[
        "MetricAlarms"
    ]
    assert (alarm["MetricName"], alarm["Statistic"]) == ("HeadStandingBy", "Maximum")
    assert (alarm["Period"], alarm["EvaluationPeriods"]) == (60, 4)
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1.0)
    # Nothing at all is sent by heads of an image from before, which must set off no alarm.
    assert alarm["TreatMissingData"] == "missing"
    ground.apply(an_environment())
    assert "raykiln-dev-no-standby" not in listed_alarms()


def listed_alarms() -> set[str]:
    """Return the names of the alarms, which the dashboard must list too."""
    cloudwatch = boto3.client("cloudwatch")
    arns = {alarm["AlarmArn"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}
    body = cloudwatch.get_dashboard(DashboardName="raykiln-dev")["DashboardBody"]
    assert set(json.loads(body)["widgets"][0]["properties"]["alarms"]) == arns
    return {arn.rpartition(":")[2] for arn in arns}


def test_switching_remediation_off_deletes_all_of_it(ground: Ground) -> None:
    ground.apply(an_environment(alarms={"remediate": True}))

    assert set(map(tuple, functions_of(ground, an_environment()).values())) == {()}
    assert boto3.client("lambda").list_functions()["Functions"] == []
    groups = boto3.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/")
    assert groups["logGroups"] == []


# --- From nothing to a foundation, and back -------------------------------------------------------


def test_a_new_foundation_is_planned_applied_and_found(ground: Ground) -> None:
    environment = an_environment()

    plan = ground.plan(environment)
    foundation = ground.apply(environment, plan=plan)

    assert plan.is_new
    assert {change.action for change in plan.changes} == {"add"}
    assert len(foundation.private_subnet_ids) == 2
    assert len(foundation.target_group_arns) == 3
    assert foundation.bucket_name == environment.bucket
    assert foundation.head_name == "ray-head.dev.ray.internal"
    assert find_foundation(ground.clients, environment) == foundation
    assert any("LeaseTable" in words and "CREATE_COMPLETE" in words for words in ground.said)


def test_a_stack_from_before_groups_can_be_read(ground: Ground) -> None:
    ground.apply(an_environment())
    stack = find_stack(ground.clients, "raykiln-dev")
    assert stack is not None
    new = {"HeadRoleName", "WorkerPolicyArn"}
    outputs = {name: value for name, value in stack.outputs.items() if name not in new}

    found = foundation_of(replace(stack, outputs=outputs))

    assert (found.head_role_name, found.worker_policy_arn) == ("", "")
    assert found.worker_instance_profile_arn == stack.outputs["WorkerInstanceProfileArn"]


def test_a_plan_leaves_nothing_behind(ground: Ground) -> None:
    ground.plan(an_environment())

    assert ground.status() == ""
    assert find_foundation(ground.clients, an_environment()) is None


def test_an_empty_plan_takes_three_calls(ground: Ground) -> None:
    environment = an_environment()
    ground.apply(environment)
    clients = Clients("us-east-1")

    plan = plan_foundation(clients, environment, clock=ground.clock)

    assert plan.is_empty
    assert clients.calls == 3


def test_applying_an_unchanged_environment_changes_nothing(ground: Ground) -> None:
    environment = an_environment()
    first = ground.apply(environment)
    ground.said.clear()

    assert ground.apply(environment) == first
    assert ground.said == []


def test_removing_deletes_the_stack_and_its_vpc(ground: Ground) -> None:
    environment = an_environment()
    vpc_id = ground.apply(environment).vpc_id

    assert ground.remove(environment)

    vpcs = boto3.client("ec2").describe_vpcs()["Vpcs"]
    assert vpc_id not in [vpc["VpcId"] for vpc in vpcs]
    assert find_foundation(ground.clients, environment) is None
    assert not ground.remove(environment)


def test_a_bucket_that_is_not_empty_stops_the_removal_and_is_named(ground: Ground) -> None:
    environment = an_environment()
    ground.apply(environment)
    boto3.client("s3").put_object(Bucket=environment.bucket, Key="dev/x", Body=b"x")

    with pytest.raises(PipelineError, match=r"DELETE_FAILED[^$]*ConfigBucket"):
        ground.remove(environment)


# --- Existing resources are used -----------------------------------------------------------------


def test_an_existing_vpc_zone_and_bucket_are_used(ground: Ground) -> None:
    ec2 = boto3.client("ec2")
    vpc_id = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet_ids = [
        ec2.create_subnet(
            VpcId=vpc_id, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"us-east-1{zone}"
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate("abc")
    ]
    zone = boto3.client("route53").create_hosted_zone(
        Name="ray.internal",
        CallerReference="1",
        HostedZoneConfig={"PrivateZone": True, "Comment": ""},
        VPC={"VPCRegion": "us-east-1", "VPCId": vpc_id},
    )
    boto3.client("s3").create_bucket(Bucket="theirs")
    environment = an_environment(
        network={
            "operator_cidrs": ["10.9.0.0/16"],
            "vpc_id": vpc_id,
            "private_subnet_ids": subnet_ids,
        },
        dns={"zone": "ray.internal", "zone_id": zone["HostedZone"]["Id"].split("/")[-1]},
        names={"bucket": "theirs"},
        existing_bucket=True,
    )

    plan = ground.plan(environment)
    foundation = ground.apply(environment, plan=plan)

    assert foundation.vpc_id == vpc_id
    assert foundation.private_subnet_ids == tuple(subnet_ids)
    assert not {"Vpc", "Zone", "ConfigBucket", "ConfigBucketPolicy"} & names(plan.changes)
    ground.remove(environment)
    assert boto3.client("s3").head_bucket(Bucket="theirs")


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ({"nat": True}, {"Nat", "NatAddress", "NatRoute"}),
        ({"zones": 3}, {"PublicSubnetC", "PrivateSubnetC", "PublicRoutesC", "PrivateRoutesC"}),
    ],
)
def test_an_option_adds_only_its_resources(
    ground: Ground, network: dict[str, Any], expected: set[str]
) -> None:
    operators = {"operator_cidrs": ["10.0.0.0/8"]}

    plain = names(ground.plan(an_environment(network=operators)).changes)
    optional = names(ground.plan(an_environment(network=operators | network)).changes)

    assert optional - plain == expected


def test_endpoints_can_be_switched_off(ground: Ground) -> None:
    network = {"operator_cidrs": ["10.0.0.0/8"], "endpoints": False}

    plan = ground.plan(an_environment(network=network))

    assert not [change for change in plan.changes if change.type == "AWS::EC2::VPCEndpoint"]


def test_an_alarm_email_subscribes_and_no_email_does_not(ground: Ground) -> None:
    def planned(**changes: Any) -> set[str]:
        return names(ground.plan(an_environment(**changes)).changes)

    assert planned(alarms={"email": "on-call@example.com"}) - planned() == {"Subscription"}


# --- Created resources are configured ------------------------------------------------------------


def test_only_operators_and_workers_reach_the_load_balancer(ground: Ground) -> None:
    foundation = ground.apply(
        an_environment(network={"operator_cidrs": ["10.0.0.0/8", "192.168.0.0/16"]})
    )

    balancer = boto3.client("elbv2").describe_load_balancers()["LoadBalancers"][0]
    group_id = balancer["SecurityGroups"][0]
    [group] = boto3.client("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    sources = {
        (rule["FromPort"], rule["ToPort"], source)
        for rule in group["IpPermissions"]
        for source in [
            *(entry["CidrIp"] for entry in rule["IpRanges"]),
            *(entry["GroupId"] for entry in rule["UserIdGroupPairs"]),
        ]
    }
    assert sources == {
        (port, port, source)
        for port in (6379, 8265, 10001)
        for source in ("10.0.0.0/8", "192.168.0.0/16", foundation.worker_security_group_id)
    }


def test_resources_have_the_environment_s_tags(ground: Ground) -> None:
    environment = an_environment()
    foundation = ground.apply(environment)

    [vpc] = boto3.client("ec2").describe_vpcs(VpcIds=[foundation.vpc_id])["Vpcs"]
    tags = {tag["Key"]: tag["Value"] for tag in vpc["Tags"]}
    assert tags["project"] == "raykiln"
    assert tags["raykiln:environment"] == "dev"


def stack_tags() -> dict[str, str]:
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="raykiln-dev")["Stacks"]
    return {tag["Key"]: tag["Value"] for tag in stack["Tags"]}


def tag_by_another_tool(clock: FakeClock, clients: Clients) -> None:
    """Add a tag to the stack, as tools that tag everything in an account do."""
    client = clients("cloudformation")
    stack = find_stack(clients, "raykiln-dev")
    assert stack
    pairs = {**stack.tags, "cost-centre": "4711"}
    client.update_stack(
        StackName="raykiln-dev",
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": k, "UsePreviousValue": True} for k in stack.parameters],
        Tags=[{"Key": key, "Value": value} for key, value in pairs.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    clock.advance(600)


def test_tags_of_others_are_no_change_and_stay(ground: Ground) -> None:
    ground.apply(an_environment())
    tag_by_another_tool(ground.clock, ground.clients)

    assert ground.plan(an_environment()).is_empty
    ground.apply(an_environment(tags={"stage": "dev"}))

    assert stack_tags() == {
        "stage": "dev",
        "raykiln:environment": "dev",
        "cost-centre": "4711",
    }


def test_plans_of_two_change_sets_are_the_same(ground: Ground) -> None:
    """DescribeChangeSet promises no order, and the local cloud has another for each change set.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeChangeSet.html
    """
    first, second = (ground.plan(an_environment()) for _ in range(2))

    assert first == second
    assert [change.name for change in first.changes] == sorted(names(first.changes))


def test_the_bucket_refuses_requests_without_tls(ground: Ground) -> None:
    environment = an_environment()
    ground.apply(environment)

    s3 = boto3.client("s3")
    [statement] = json.loads(s3.get_bucket_policy(Bucket=environment.bucket)["Policy"])["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert s3.get_bucket_versioning(Bucket=environment.bucket)["Status"] == "Enabled"
    assert all(
        s3.get_public_access_block(Bucket=environment.bucket)[
            "PublicAccessBlockConfiguration"
        ].values()
    )


def test_no_key_of_kms_is_on_the_way_of_a_renewal(ground: Ground) -> None:
    """Without SSESpecification the key is DynamoDB's own, and KMS is never called.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_SSESpecification.html
    """
    ground.apply(an_environment())

    table = boto3.client("dynamodb").describe_table(TableName="raykiln-lease-dev")["Table"]
    assert "SSEDescription" not in table


def test_a_connection_may_be_quiet_for_as_long_as_a_listener_allows(ground: Ground) -> None:
    """6000 s at most, 350 s without the attribute: a job's log that is followed may be quiet.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/network/update-idle-timeout.html
    """
    foundation = ground.apply(an_environment())

    client = boto3.client("elbv2")
    found = client.describe_listeners(LoadBalancerArn=foundation.load_balancer_arn)["Listeners"]
    for listener in found:
        answer = client.describe_listener_attributes(ListenerArn=listener["ListenerArn"])
        assert {"Key": "tcp.idle_timeout.seconds", "Value": "6000"} in answer["Attributes"]
    assert {listener["Port"] for listener in found} == {6379, 10001, 8265}


def test_the_lease_table_can_be_restored_to_any_point(ground: Ground) -> None:
    environment = an_environment()
    ground.apply(environment)

    backups = boto3.client("dynamodb").describe_continuous_backups(
        TableName=environment.lease_table
    )["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


# --- Changes --------------------------------------------------------------------------------------


def test_a_change_is_shown_with_its_differences_and_then_made(ground: Ground) -> None:
    ground.apply(an_environment())
    later = an_environment(alarms={"head_missing_minutes": 7})

    plan = ground.plan(later)
    ground.apply(later, plan=plan)

    assert names(plan.changes) == {
        "HeadNotReadyAlarm",
        "NoLeaderAlarm",
        "NoHealthyTargetAlarm",
        "AutoscalerAlarm",
    }
    assert {change.action for change in plan.changes} == {"change"}
    assert "EvaluationPeriods" in str(plan.changes[0])
    assert ground.plan(later).is_empty


def test_losing_state_needs_an_explicit_confirmation(ground: Ground) -> None:
    ground.apply(an_environment())
    later = an_environment(names={"lease_table": "another-lease"})

    plan = ground.plan(later)

    assert names(plan.losses) == {"LeaseTable"}
    with pytest.raises(Refused, match="lose data"):
        ground.apply(later, plan=plan)
    assert ground.apply(later, plan=plan, accept_losses=True).lease_table_name == "another-lease"


def test_an_update_keeps_the_table_that_it_replaces(ground: Ground) -> None:
    environment = an_environment()
    ground.apply(environment)
    later = an_environment(names={"lease_table": "another-lease"})

    ground.apply(later, accept_losses=True)

    tables = boto3.client("dynamodb").list_tables()["TableNames"]
    assert set(tables) == {environment.lease_table, "another-lease"}


def test_an_outdated_plan_is_refused(ground: Ground) -> None:
    ground.apply(an_environment())
    later = an_environment(alarms={"head_missing_minutes": 7})
    shown = ground.plan(later)
    ground.apply(an_environment(alarms={"head_missing_minutes": 5, "email": "a@example.com"}))

    with pytest.raises(Refused, match="has changed since the plan"):
        ground.apply(later, plan=shown)


# --- Failure --------------------------------------------------------------------------------------


def occupy_the_tables_name() -> None:
    """Create a table with the name of the foundation's."""
    boto3.client("dynamodb").create_table(
        TableName="raykiln-lease-dev",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "cluster", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "cluster", "KeyType": "HASH"}],
    )


def test_a_failed_creation_names_resource_and_reason_and_leaves_nothing(ground: Ground) -> None:
    occupy_the_tables_name()

    with pytest.raises(PipelineError) as raised:
        ground.apply(an_environment())

    assert "ROLLBACK_COMPLETE" in raised.value.message
    assert "LeaseTable (AWS::DynamoDB::Table) CREATE_FAILED" in raised.value.message
    assert "raykiln-lease-dev" in raised.value.message
    assert not boto3.client("s3").list_buckets()["Buckets"]


def test_deploys_after_a_failed_creation(ground: Ground) -> None:
    occupy_the_tables_name()
    with pytest.raises(PipelineError, match="LeaseTable"):
        ground.apply(an_environment())
    assert ground.status() == "ROLLBACK_COMPLETE"
    boto3.client("dynamodb").delete_table(TableName="raykiln-lease-dev")

    ground.apply(an_environment())

    assert ground.status() == "CREATE_COMPLETE"


def test_a_failed_update_names_the_resource_and_is_rolled_back(
    ground: Ground, edited: Callable[[str, str], None]
) -> None:
    before = ground.apply(an_environment())
    before_now = "PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}"
    edited(before_now, "StreamSpecification: {StreamViewType: NONE}")

    with pytest.raises(PipelineError, match="LeaseTable"):
        ground.apply(an_environment())

    assert find_foundation(ground.clients, an_environment()) == before


def test_a_template_that_cloudformation_refuses_leaves_no_stack(
    ground: Ground, edited: Callable[[str, str], None]
) -> None:
    edited("Resource: !GetAtt LeaseTable.Arn", "Resource: !GetAtt NoTable.Arn")

    with pytest.raises(PipelineError, match="NoTable"):
        ground.plan(an_environment())

    assert ground.status() == ""


# --- After a kill ---------------------------------------------------------------------------------


def begin_change_set(environment: Environment, **options: Any) -> None:
    """Do what a run has done before it is killed."""
    stack = desired.desired_stack(environment, ("us-east-1a", "us-east-1b"))
    boto3.client("cloudformation").create_change_set(
        StackName=stack.name,
        ChangeSetName="raykiln-killed",
        TemplateBody=stack.template,
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in stack.parameters.items()
        ],
        Tags=[{"Key": key, "Value": value} for key, value in stack.tags.items()],
        Capabilities=["CAPABILITY_IAM"],
        **options,
    )


def test_continues_after_a_run_killed_before_the_creation(ground: Ground) -> None:
    begin_change_set(an_environment(), ChangeSetType="CREATE")
    assert ground.status() == "REVIEW_IN_PROGRESS"

    ground.apply(an_environment())

    assert ground.status() == "CREATE_COMPLETE"


def test_waits_for_a_creation_in_progress(ground: Ground) -> None:
    begin_change_set(an_environment(), ChangeSetType="CREATE")
    ground.clock.advance(5)
    boto3.client("cloudformation").execute_change_set(
        StackName="raykiln-dev", ChangeSetName="raykiln-killed"
    )
    assert ground.status() == "CREATE_IN_PROGRESS"

    assert ground.plan(an_environment()).is_empty


def test_replaces_the_change_set_of_a_killed_update(ground: Ground) -> None:
    ground.apply(an_environment())
    begin_change_set(an_environment(alarms={"head_missing_minutes": 9}), ChangeSetType="UPDATE")
    later = an_environment(alarms={"head_missing_minutes": 7})

    ground.apply(later)

    assert ground.plan(later).is_empty


# --- Words ----------------------------------------------------------------------------------------


def test_a_change_reads_as_a_line() -> None:
    change = ResourceChange("replace", "LeaseTable", "AWS::DynamoDB::Table", "t-1", ("TableName",))

    assert str(change) == "replace LeaseTable (DynamoDB::Table) t-1: TableName"
    assert change.loses_state
    assert not replace(change, action="change").loses_state


BUDGET = {"dollars_per_month": 500, "emails": ["one@example.com", "two@example.com"]}


def budgets() -> list[dict[str, Any]]:
    answer = boto3.client("budgets").describe_budgets(AccountId="123456789012")
    found: list[dict[str, Any]] = answer.get("Budgets", [])
    return found


def test_a_budget_counts_what_has_the_environments_tag_and_tells_people(ground: Ground) -> None:
    environment = an_environment(budget=BUDGET)
    ground.apply(environment)

    (budget,) = budgets()
    assert budget["BudgetLimit"] == {"Amount": "500", "Unit": "USD"}
    assert budget["TimeUnit"] == "MONTHLY"
    assert budget["CostFilters"] == {"TagKeyValue": ["user:raykiln:environment$dev"]}
    told = boto3.client("budgets").describe_notifications_for_budget(
        AccountId="123456789012", BudgetName=budget["BudgetName"]
    )["Notifications"]
    assert [(one["NotificationType"], one["Threshold"]) for one in told] == [
        ("ACTUAL", 80.0),
        ("ACTUAL", 100.0),
        ("FORECASTED", 100.0),
    ]
    assert ground.plan(environment).is_empty


def test_a_budget_can_be_changed_told_to_others_and_taken_away(ground: Ground) -> None:
    ground.apply(an_environment(budget=BUDGET))
    (first,) = budgets()
    ground.apply(an_environment(budget=BUDGET | {"dollars_per_month": 700}))
    (second,) = budgets()
    ground.apply(an_environment(budget=BUDGET | {"emails": ["three@example.com"]}))
    (third,) = budgets()
    ground.apply(an_environment())

    assert second["BudgetLimit"]["Amount"] == "700"
    assert second["BudgetName"] == first["BudgetName"]
    assert third["BudgetName"] != first["BudgetName"]
    assert budgets() == []


def test_a_template_with_a_budget_fits_into_a_request() -> None:
    emails = [f"someone-{number}@a-long-name.example.com" for number in range(3)]
    environment = an_environment(budget={"dollars_per_month": 10_000, "emails": emails})

    template = desired_stack(environment, ("us-east-1a", "us-east-1b", "us-east-1c")).template
    assert len(template.encode()) < 51_200
