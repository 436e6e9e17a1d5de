"""The desired stack of an environment: template, parameters, tags. Pure: no AWS."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from common.aws_rules import partition_of
from common.environment import Environment
from common.errors import Refused
from deploy.foundation.body import template_body
from deploy.foundation.budget import budget_sections
from deploy.foundation.endpoints import endpoint_sections
from node.contract import ENVIRONMENT_TAG

# The parameter, and the output, with the keys of all tags that an environment has or had. A stack's
# other tags are those of others, which an update must name to keep:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
TAG_KEYS = "TagKeys"
# The parameter that says whether there are to be no head and no workers.
PAUSED = "Paused"
Sections = dict[str, dict[str, Any]]
ZONE_PARAMETERS = ("ZoneA", "ZoneB", "ZoneC")
OPERATOR_SLOTS = 4  # the template has a parameter for each; CloudFormation has no loops


@dataclass(frozen=True)
class DesiredStack:
    """Everything that is sent to CloudFormation."""

    name: str
    template: str
    parameters: dict[str, str]
    tags: dict[str, str]
    # CAPABILITY_NAMED_IAM when its roles have names:
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
    capability: str = "CAPABILITY_IAM"

    def beside(self, parameters: Mapping[str, str], tags: Mapping[str, str]) -> "DesiredStack":
        """Return the desired stack where one with these parameters and tags exists.

        Tags that others gave it stay; those that the environment had, and has no more, do not.
        A template without that parameter keeps no record of them.
        """
        if TAG_KEYS not in self.parameters:
            return self
        keys = set(parameters[TAG_KEYS].split() if TAG_KEYS in parameters else tags)
        foreign = {key: value for key, value in tags.items() if key not in keys}
        own = " ".join(sorted(keys | self.tags.keys()))
        return replace(self, parameters=self.parameters | {TAG_KEYS: own}, tags=foreign | self.tags)


def desired_stack(
    environment: Environment,
    zones: tuple[str, ...],
    *,
    vpc_cidrs: tuple[str, ...] = (),
    policy_arns: tuple[str, ...] = (),
) -> DesiredStack:
    """Return the stack of an environment; raises Refused when the template cannot express it.

    ``zones`` are those of a VPC that is created, ``vpc_cidrs`` the ranges of an existing one, and
    ``policy_arns`` those that the heads' role has besides its own.
    """
    return DesiredStack(
        name=environment.stack,
        template=template_body(_generated(environment, vpc_cidrs)),
        parameters=parameters(environment, zones, policy_arns),
        tags=stack_tags(environment),
    )


def _generated(environment: Environment, vpc_cidrs: tuple[str, ...]) -> Sections:
    """Return what is added to each section of the template."""
    endpoints = endpoint_sections(environment.network, vpc_cidrs)
    budget = budget_sections(environment)
    return {
        section: endpoints.get(section, {}) | budget.get(section, {})
        for section in (endpoints | budget)
    }


def stack_tags(environment: Environment) -> dict[str, str]:
    """Return the tags of a stack, which CloudFormation gives to every resource in it."""
    return environment.tags | {ENVIRONMENT_TAG: environment.name}


def secret_arns(environment: Environment) -> str:
    """Return the ARNs of the parameters with the cluster's secrets, for a comma-delimited list."""
    place = f"{environment.region}:{environment.account_id}"
    start = f"arn:{partition_of(environment.region)}:ssm:{place}:parameter"
    return f"{start}{environment.secret},{start}{environment.state_secret}"


def tag_keys(environment: Environment) -> str:
    """Return the keys of a stack's tags; no key has a space, as in instance metadata."""
    return " ".join(sorted(stack_tags(environment)))


def parameters(
    environment: Environment, zones: tuple[str, ...] = (), policy_arns: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return every parameter of the template."""
    named = zip_longest(ZONE_PARAMETERS, zones, fillvalue="")
    return (
        _names(environment)
        | _network(environment)
        | dict(named)
        | _health(environment)
        | {
            "HeadPolicyArns": ",".join(policy_arns),
            "MetricsWorkspaceArn": environment.metrics.workspace_arn(environment.account_id),
            "PermissionsBoundary": environment.nodes.permissions_boundary,
            TAG_KEYS: tag_keys(environment),
            PAUSED: "false",  # what is deployed runs
        }
    )


def _names(environment: Environment) -> dict[str, str]:
    return {
        "Environment": environment.name,
        "HeadName": environment.head_dns,
        "BucketName": environment.bucket,
        "LeaseTableName": environment.lease_table,
        "LoadBalancerName": environment.load_balancer,
        "TopicName": environment.topic,
        "SecretName": environment.secret,
        "StateSecretName": environment.state_secret,
        "SecretArns": secret_arns(environment),
        "HeadGroupName": environment.head_group,
        "MetricNamespace": environment.names.metric_namespace,
    }


def _network(environment: Environment) -> dict[str, str]:
    network = environment.network
    return _operators(environment) | {
        "VpcCidr": str(network.cidr),
        "SubnetBits": str(32 - network.cidr.prefixlen - 3),  # six subnets: cut into eight
        "NatGateway": _flag(network.nat),
        "ExistingVpcId": network.vpc_id,
        "ExistingSubnetIds": ",".join(network.private_subnet_ids),
        "ZoneName": environment.dns.zone,
        "ExistingZoneId": environment.dns.zone_id,
        "ExistingBucket": _flag(environment.existing_bucket),
    }


def _operators(environment: Environment) -> dict[str, str]:
    cidrs = [str(cidr) for cidr in environment.network.operator_cidrs]
    if len(cidrs) > OPERATOR_SLOTS:
        raise Refused(
            f"{environment.name}: network.operator_cidrs has {len(cidrs)} ranges, "
            f"at most {OPERATOR_SLOTS} are possible",
            hint="use wider ranges, or a VPN in front of the cluster",
        )
    filled = cidrs + [""] * (OPERATOR_SLOTS - len(cidrs))
    return {f"OperatorCidr{number}": cidr for number, cidr in enumerate(filled, start=1)}


def _health(environment: Environment) -> dict[str, str]:
    return {
        "StatePort": environment.head.redis.rpartition(":")[2] or "0",
        "StateNodeType": environment.head.redis_node_type,
        "HeadCount": str(1 + environment.head.standby),
        "HealthCheckIntervalSeconds": str(environment.limits.health_check_interval_seconds),
        "HealthCheckThreshold": str(environment.limits.health_check_threshold),
        "AlarmMinutes": str(environment.alarms.head_missing_minutes),
        "AlarmEmail": environment.alarms.email,
        "Remediate": _flag(environment.alarms.remediate),
        "LogRetentionDays": "30",
    }


def _flag(value: bool) -> str:
    return "true" if value else "false"
