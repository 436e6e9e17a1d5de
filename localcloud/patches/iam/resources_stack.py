"""The resources of requests to CloudFormation and to what its stacks are made of.

Follows the services' pages of the Service Authorization Reference (docs.aws.amazon.com/
service-authorization/latest/reference/): what a request creates is named by the name that it will
have, and "*" stands for the part of an ARN that the service chooses.
"""

from collections.abc import Callable
from typing import Any

from moto.elbv2.models import elbv2_backends

Tree = dict[str, Any]
Where = tuple[str, str]  # account, region
Named = tuple[str, Tree]  # ARN, condition keys


def stacks(where: Where, action: str, parameters: Tree) -> list[Named]:
    """CloudFormation: a change set is the stack's that it belongs to."""
    from localcloud.patches.cloudformation.requests import stacks as engine_stacks

    change_set = str(parameters.get("ChangeSetName") or "")
    name = parameters.get("StackName")
    for stack in engine_stacks(*where).values():
        ids = {one.change_set_id for one in stack.change_sets.values()}
        if change_set in ids or name == stack.stack_id:
            return [(stack.stack_id, {})]
    if name:
        arn = f"arn:aws:cloudformation:{where[1]}:{where[0]}:stack/{name}/*"
        return [(arn if not name.startswith("arn:") else name, {})]
    return []


def balancers(where: Where, action: str, parameters: Tree) -> list[Named]:
    """Elastic Load Balancing: what is named, with its tags, and what is created."""
    if action.startswith("Describe"):
        return []
    prefix = f"arn:aws:elasticloadbalancing:{where[1]}:{where[0]}"
    if action == "CreateLoadBalancer":
        return [(f"{prefix}:loadbalancer/net/{parameters['Name']}/*", {})]
    if action == "CreateTargetGroup":
        return [(f"{prefix}:targetgroup/{parameters['Name']}/*", {})]
    arns = (
        parameters.get("ResourceArns")
        or [
            parameters[name]
            for name in ("ListenerArn", "TargetGroupArn", "LoadBalancerArn")
            if parameters.get(name)
        ][:1]
    )
    return [(arn, _tags_of(where, arn)) for arn in arns]


def _tags_of(where: Where, arn: str) -> Tree:
    backend: Any = elbv2_backends[where[0]][where[1]]
    tags = backend.tagging_service.get_tag_dict_for_resource(arn)
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}


def zones(where: Where, action: str, parameters: Tree) -> list[Named]:
    """Route 53: a zone, and the names of the records that are changed in it."""
    zone = parameters.get("HostedZoneId") or parameters.get("Id")
    if not zone or action in ("GetChange", "CreateHostedZone"):
        return []
    arn = f"arn:aws:route53:::hostedzone/{str(zone).rpartition('/')[2]}"
    changes = (parameters.get("ChangeBatch") or {}).get("Changes") or []
    names = tuple(one["ResourceRecordSet"]["Name"].rstrip(".").lower() for one in changes)
    key = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
    return [(arn, {key: names} if names else {})]


def caches(where: Where, action: str, parameters: Tree) -> list[Named]:
    """ElastiCache: replication groups, subnet groups, and what carries tags."""
    if action.startswith("Describe"):
        return []
    prefix = f"arn:aws:elasticache:{where[1]}:{where[0]}"
    found: list[Named] = [
        (f"{prefix}:{kind}:{parameters[name]}", {})
        for name, kind in (
            ("ReplicationGroupId", "replicationgroup"),
            ("CacheSubnetGroupName", "subnetgroup"),
        )
        if parameters.get(name)
    ]
    return found or ([(parameters["ResourceName"], {})] if parameters.get("ResourceName") else [])


def _named(template: str, *names: str) -> Callable[[Where, str, Tree], list[Named]]:
    """Return a reader of the first of these parameters that is given, an ARN or a part of one."""

    def read(where: Where, action: str, parameters: Tree) -> list[Named]:
        given = next((parameters[name] for name in names if parameters.get(name)), None)
        if given is None:
            return []
        value = str(given)
        whole = template.format(value.rpartition("/")[2], account=where[0], region=where[1])
        return [(value if value.startswith("arn:") else whole, {})]

    return read


queues = _named("arn:aws:sqs:{region}:{account}:{}", "QueueUrl", "QueueName")
secrets = _named("arn:aws:secretsmanager:{region}:{account}:secret:{}-??????", "SecretId", "Name")


def scaling(where: Where, action: str, parameters: Tree) -> list[Named]:
    """Application Auto Scaling: its targets have ids that it chooses."""
    if action.startswith("Describe"):
        return []
    return [(f"arn:aws:application-autoscaling:{where[1]}:{where[0]}:scalable-target/*", {})]


def names(where: Where, action: str, parameters: Tree) -> list[Named]:
    """Cloud Map: namespaces and services have ids that it chooses."""
    prefix = f"arn:aws:servicediscovery:{where[1]}:{where[0]}"
    if action in ("GetOperation", "CreatePrivateDnsNamespace") or action.startswith("List"):
        return []
    identity = str(parameters.get("ServiceId") or parameters.get("Id") or "*")
    kind = "namespace" if "Namespace" in action or identity.startswith("ns-") else "service"
    if arn := parameters.get("ResourceARN"):
        return [(str(arn), {})]
    return [(f"{prefix}:{kind}/{identity.rpartition('/')[2]}", {})]
