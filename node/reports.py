"""What a node reports to AWS: metrics, lifecycle actions, instance health. Writes to CloudWatch
and Auto Scaling.

Every report can be repeated; a hook that is already completed counts as done.
"""

from typing import Any

from botocore.exceptions import ClientError

from node.clients import error_code
from node.contract import ENVIRONMENT_DIMENSION, ROLE_DIMENSION
from node.identity import Identity


class Reports:
    """One instance's reports. Clients are botocore's; their errors go to the caller."""

    def __init__(self, identity: Identity, cloudwatch: Any, autoscaling: Any) -> None:
        self._identity = identity
        self._cloudwatch, self._autoscaling = cloudwatch, autoscaling

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
        """Complete the launch hook with CONTINUE or ABANDON; False when no hook waits for it.

        Auto Scaling answers ValidationError when there is no active lifecycle action, as
        after it was completed or timed out:
        docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CompleteLifecycleAction.html
        """
        if not (self._identity.group and self._identity.lifecycle_hook):
            return False
        try:
            self._autoscaling.complete_lifecycle_action(
                AutoScalingGroupName=self._identity.group,
                LifecycleHookName=self._identity.lifecycle_hook,
                InstanceId=self._identity.instance_id,
                LifecycleActionResult=result,
            )
        except ClientError as error:
            if error_code(error) == "ValidationError":
                return False
            raise
        return True

    def declare_unhealthy(self) -> None:
        """Have the group replace this instance now, even within its grace period."""
        if self._identity.group:
            self._autoscaling.set_instance_health(
                InstanceId=self._identity.instance_id,
                HealthStatus="Unhealthy",
                ShouldRespectGracePeriod=False,
            )
