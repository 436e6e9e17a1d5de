"""The current foundation: what its stack outputs for the stages after it.

Touches AWS, changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.environment import Environment
from common.errors import PipelineError
from common.worker_groups import HEAD
from deploy.foundation.desired_stack import PAUSED
from deploy.foundation.node_needs import NodeNeeds, access_needs, group_needs
from deploy.foundation.nodes_template import logical_id
from deploy.release.settings import Group, Settings

# A stack in one of these states is complete, even after a failed update.
USABLE = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
    }
)


@dataclass(frozen=True)
class Foundation:
    """What the stacks output. Lists are in the order of the template.

    Empty in a stack from before groups: ``head_role_name``, ``worker_policy_arn``.
    """

    vpc_id: str
    private_subnet_ids: tuple[str, ...]
    head_security_group_id: str
    worker_security_group_id: str
    head_instance_profile_arn: str
    worker_instance_profile_arn: str
    bucket_name: str
    lease_table_name: str
    load_balancer_arn: str
    load_balancer_dns_name: str
    target_group_arns: tuple[str, ...]
    topic_arn: str
    head_name: str
    state_address: str = ""  # rediss://host:port of the foundation's Redis, if it has one
    # The parameter with that Redis's password; empty in a foundation from before it had its own.
    state_secret: str = ""
    head_role_name: str = ""
    worker_policy_arn: str = ""
    endpoint_security_group_id: str = ""  # empty without endpoints
    load_balancer_security_group_id: str = ""  # empty in a foundation from before it was an output
    zone_id: str = ""  # of the private zone with the stable name
    tag_keys: tuple[str, ...] = ()  # of all tags that the environment has or had
    is_paused: bool = False
    # The outputs of the stack of the nodes, which only what nodes have of their own is in.
    nodes: Mapping[str, str] = field(default_factory=dict)
    # The zone of each private subnet; see ``with_zones``.
    subnet_zones: tuple[tuple[str, str], ...] = ()

    def worker_profile(self, group: Group) -> str:
        """Return the ARN of the instance profile of a group's workers."""
        if group_needs(group).has_role:
            return self._own(group.name, "Profile")
        return self.worker_instance_profile_arn

    def worker_security_groups(self, group: Group) -> tuple[str, ...]:
        """Return the security groups of a group's workers, the shared one first."""
        own = self._security_groups(group.name, group_needs(group))
        return (self.worker_security_group_id, *own)

    def head_security_groups(self, settings: Settings) -> tuple[str, ...]:
        """Return the security groups of the heads, the foundation's first."""
        own = self._security_groups(HEAD, access_needs(settings.head_access))
        return (self.head_security_group_id, *own)

    def documents_role(self, group: str) -> str:
        """Return the name of the role of the group that the documents run on; empty for none."""
        return self.nodes.get(logical_id(group, "Role"), "")

    def placement_group(self, group: Group) -> str:
        """Return the name of the placement group of a group's workers; empty for none."""
        return self._own(group.name, "PlacementGroup") if group.placement else ""

    def is_ready_for(self, group: Group) -> bool:
        """Say whether all that a group's workers have of their own exists."""
        needs = group_needs(group)
        wanted = {
            "Profile": needs.has_role,
            "SecurityGroup": needs.has_security_group,
            "PlacementGroup": needs.is_placed,
        }
        names = (logical_id(group.name, what) for what, wants in wanted.items() if wants)
        return all(name in self.nodes for name in names)

    def is_ready_for_heads(self, settings: Settings) -> bool:
        """Say whether all that heads have of their own exists."""
        needs = access_needs(settings.head_access)
        return not needs.has_security_group or logical_id(HEAD, "SecurityGroup") in self.nodes

    def _security_groups(self, name: str, needs: NodeNeeds) -> tuple[str, ...]:
        own = (self._own(name, "SecurityGroup"),) if needs.has_security_group else ()
        return (*own, *needs.security_group_ids)

    def _own(self, name: str, what: str) -> str:
        try:
            return self.nodes[logical_id(name, what)]
        except KeyError as error:
            raise PipelineError(
                f"{name} has no {what} of its own yet, in the stack of the nodes",
                hint="deploy again",
            ) from error


@dataclass(frozen=True)
class Stack:
    """A stack as CloudFormation describes it."""

    id: str
    name: str
    status: str
    reason: str
    parameters: dict[str, str]
    tags: dict[str, str]
    outputs: dict[str, str]

    @property
    def is_usable(self) -> bool:
        """It holds the result of its last successful operation."""
        return self.status in USABLE

    @property
    def is_paused(self) -> bool:
        """What it belongs to has no head and no workers, on purpose."""
        return self.parameters.get(PAUSED) == "true"

    @property
    def in_progress(self) -> bool:
        """CloudFormation is changing it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


def find_foundation(clients: Clients, environment: Environment) -> Foundation | None:
    """Return the environment's foundation, or None when there is no usable one. Two calls."""
    stack = find_stack(clients, environment.stack)
    if stack is None or not stack.is_usable:
        return None
    return foundation_of(stack, find_stack(clients, nodes_stack_name(environment)))


def nodes_stack_name(environment: Environment) -> str:
    """Return the name of the stack of what nodes have besides the foundation."""
    return f"{environment.stack}-nodes"


def with_zones(clients: Clients, foundation: Foundation) -> Foundation:
    """Return the foundation with the zones of its private subnets. One call."""
    filters = [{"Name": "subnet-id", "Values": list(foundation.private_subnet_ids)}]
    with translated("reading the subnets' zones"):
        found = clients("ec2").describe_subnets(Filters=filters)["Subnets"]
    zones = sorted((subnet["SubnetId"], subnet["AvailabilityZone"]) for subnet in found)
    return replace(foundation, subnet_zones=tuple(zones))


def find_stack(clients: Clients, name_or_id: str) -> Stack | None:
    """Return the stack; None when there is none, or it was deleted (found only by its id)."""
    with translated(f"looking for the stack {name_or_id}"):
        try:
            found = clients("cloudformation").describe_stacks(StackName=name_or_id)["Stacks"][0]
        except ClientError as error:
            # CloudFormation has no separate code for this.
            if error_code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise
    return None if found["StackStatus"] == "DELETE_COMPLETE" else _stack(found)


def foundation_of(stack: Stack, nodes: Stack | None = None) -> Foundation:
    """Return what the stacks output; raises PipelineError when one is not of this template.

    ``nodes`` is the stack of the nodes, if there is one.
    """
    outputs = stack.outputs
    try:
        return Foundation(
            vpc_id=outputs["VpcId"],
            private_subnet_ids=tuple(outputs["PrivateSubnetIds"].split(",")),
            head_security_group_id=outputs["HeadSecurityGroupId"],
            worker_security_group_id=outputs["WorkerSecurityGroupId"],
            head_instance_profile_arn=outputs["HeadInstanceProfileArn"],
            worker_instance_profile_arn=outputs["WorkerInstanceProfileArn"],
            bucket_name=outputs["BucketName"],
            lease_table_name=outputs["LeaseTableName"],
            load_balancer_arn=outputs["LoadBalancerArn"],
            load_balancer_dns_name=outputs["LoadBalancerDnsName"],
            target_group_arns=tuple(outputs["TargetGroupArns"].split(",")),
            topic_arn=outputs["TopicArn"],
            head_name=outputs["HeadName"],
            state_address=outputs.get("StateAddress", ""),
            state_secret=stack.parameters.get("StateSecretName", ""),
            head_role_name=outputs.get("HeadRoleName", ""),
            worker_policy_arn=outputs.get("WorkerPolicyArn", ""),
            endpoint_security_group_id=outputs.get("EndpointSecurityGroupId", ""),
            load_balancer_security_group_id=outputs.get("LoadBalancerSecurityGroupId", ""),
            zone_id=outputs.get("ZoneId", ""),
            tag_keys=tuple(outputs.get("TagKeys", "").split()),
            is_paused=stack.is_paused,
            nodes=nodes.outputs if nodes and nodes.is_usable else {},
        )
    except KeyError as error:
        raise PipelineError(
            f"the stack {stack.name} ({stack.status}) has no output {error}",
            hint="is it Raykiln's? If not, set another name under names.stack",
        ) from error


def _stack(found: dict[str, Any]) -> Stack:
    return Stack(
        id=found["StackId"],
        name=found["StackName"],
        status=found["StackStatus"],
        reason=found.get("StackStatusReason", ""),
        parameters={p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])},
        tags={t["Key"]: t["Value"] for t in found.get("Tags", [])},
        outputs={o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])},
    )
