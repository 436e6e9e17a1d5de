"""What a node reports to AWS: metrics, lifecycle actions, instance health. Writes to CloudWatch
and Auto Scaling.

Every report can be repeated; a launch that no hook holds any more counts as completed.
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from node.clients import error_code
from node.contract import ENVIRONMENT_DIMENSION, ROLE_DIMENSION
from node.identity import GROUP_NAME_TAG, Identity, instance_tag

# Before and in the launch hook; everything else comes after it:
# docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
LAUNCHING = ("Pending", "Pending:Wait")


class NotInHook(Exception):
    """The launch hook does not wait for this instance yet, so it cannot be answered yet."""


class Reports:
    """One instance's reports. Clients are botocore's; their errors go to the caller.

    ``read_tag`` reads a tag of this instance as it is now; it may raise NoMetadata.
    """

    def __init__(
        self,
        identity: Identity,
        cloudwatch: Any,
        autoscaling: Any,
        read_tag: Callable[[str], str | None] = instance_tag,
    ) -> None:
        self._identity = identity
        self._cloudwatch, self._autoscaling = cloudwatch, autoscaling
        self._read_tag = read_tag

    def group(self) -> str:
        """Return the name of this instance's group; empty for none, or while it has no tag yet."""
        return self._identity.group or self._read_tag(GROUP_NAME_TAG) or ""

    def metrics(self, values: dict[str, float], role: str = "") -> None:
        """Send one datum each, with the dimension Environment, and Role where one is given."""
        dimensions = {ENVIRONMENT_DIMENSION: self._identity.environment}
        if role:
            dimensions[ROLE_DIMENSION] = role
        pairs = [{"Name": key, "Value": value} for key, value in dimensions.items()]
        data = [
            {"MetricName": name, "Dimensions": pairs, "Value": value, "Unit": "Count"}
            for name, value in values.items()
        ]
        self._cloudwatch.put_metric_data(Namespace=self._identity.metric_namespace, MetricData=data)

    def complete_launch(self, result: str) -> bool:
        """Complete the launch hook with CONTINUE or ABANDON; False when it waits no more.

        Raises NotInHook while it does not wait yet: the instance may have booted before its group
        has it in Pending:Wait, and then nothing would answer the hook, which ends the launch when
        it times out. Auto Scaling answers ValidationError when there is no active lifecycle
        action, before that state and after it, so the state is asked for. The metadata service
        does not know it, but the state that the instance is to reach.
        docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CompleteLifecycleAction.html
        docs.aws.amazon.com/autoscaling/ec2/userguide/retrieving-target-lifecycle-state-through-imds.html
        """
        if not self._identity.lifecycle_hook:
            return False
        group = self.group()
        if not group:
            raise NotInHook("this instance has no tag with the name of its group yet")
        try:
            self._autoscaling.complete_lifecycle_action(
                AutoScalingGroupName=group,
                LifecycleHookName=self._identity.lifecycle_hook,
                InstanceId=self._identity.instance_id,
                LifecycleActionResult=result,
            )
        except ClientError as error:
            if error_code(error) != "ValidationError":
                raise
            state = self._state()
            if state in LAUNCHING or not state:
                raise NotInHook(f"the group has this instance in {state or 'no state'}") from error
            return False
        return True

    def _state(self) -> str:
        """Return the lifecycle state of this instance; empty while its group does not list it."""
        answer = self._autoscaling.describe_auto_scaling_instances(
            InstanceIds=[self._identity.instance_id]
        )
        return next((str(one["LifecycleState"]) for one in answer["AutoScalingInstances"]), "")

    def declare_unhealthy(self) -> None:
        """Have the group replace this instance now, even within its grace period."""
        if self.group():
            self._autoscaling.set_instance_health(
                InstanceId=self._identity.instance_id,
                HealthStatus="Unhealthy",
                ShouldRespectGracePeriod=False,
            )
