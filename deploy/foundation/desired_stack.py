"""The desired stack of an environment: template, parameters, tags. Pure: no AWS."""

from dataclasses import dataclass

from common.environment import Environment
from common.errors import Refused
from deploy.foundation.body import template_body
from node.contract import ENVIRONMENT_TAG

OPERATOR_SLOTS = 4  # the template has a parameter for each; CloudFormation has no loops


@dataclass(frozen=True)
class DesiredStack:
    """Everything that is sent to CloudFormation."""

    name: str
    template: str
    parameters: dict[str, str]
    tags: dict[str, str]


def desired_stack(environment: Environment, policy_arns: tuple[str, ...] = ()) -> DesiredStack:
    """Return the stack of an environment; raises Refused when the template cannot express it.

    ``policy_arns`` are those that the heads' role has besides its own.
    """
    return DesiredStack(
        name=environment.stack,
        template=template_body(),
        parameters=parameters(environment, policy_arns),
        tags=stack_tags(environment),
    )


def stack_tags(environment: Environment) -> dict[str, str]:
    """Return the tags of a stack, which CloudFormation gives to every resource in it."""
    return environment.tags | {ENVIRONMENT_TAG: environment.name}


def parameters(environment: Environment, policy_arns: tuple[str, ...] = ()) -> dict[str, str]:
    """Return every parameter of the template."""
    return (
        _names(environment)
        | _network(environment)
        | _health(environment)
        | {
            "HeadPolicyArns": ",".join(policy_arns),
            "PermissionsBoundary": environment.nodes.permissions_boundary,
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
        "HeadGroupName": environment.head_group,
        "MetricNamespace": environment.names.metric_namespace,
    }


def _network(environment: Environment) -> dict[str, str]:
    network = environment.network
    return _operators(environment) | {
        "VpcCidr": str(network.cidr),
        "SubnetBits": str(32 - network.cidr.prefixlen - 3),  # six subnets: cut into eight
        "ThirdZone": _flag(network.zones == 3),
        "NatGateway": _flag(network.nat),
        "VpcEndpoints": _flag(network.endpoints),
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
