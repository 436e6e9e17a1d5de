"""The current foundation: what its stack outputs for the stages after it.

Touches AWS, changes nothing.
"""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.environment import Environment
from common.errors import PipelineError

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
    """The stack's outputs. Lists are in the order of the template."""

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
    def in_progress(self) -> bool:
        """CloudFormation is changing it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"


def find_foundation(clients: Clients, environment: Environment) -> Foundation | None:
    """Return the environment's foundation, or None when there is no usable one. One call."""
    stack = find_stack(clients, environment.stack)
    return foundation_of(stack) if stack and stack.is_usable else None


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


def foundation_of(stack: Stack) -> Foundation:
    """Return the stack's outputs; raises PipelineError when it is not of this template."""
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
