"""The alarms of a target tracking policy, and what of policies the local cloud refuses.

Follows PutScalingPolicy and TargetTrackingScalingPolicyConfiguration (docs.aws.amazon.com/
autoscaling/application/APIReference/). AWS manages two alarms for a policy: one above the target
for three minutes, one below 90 % of it for fifteen, as DescribeAlarms shows them. moto's watch the
CPU against a threshold of 6 whatever the policy says.
"""

import uuid
from functools import cache
from typing import Any

from moto.applicationautoscaling.exceptions import AWSValidationException
from moto.applicationautoscaling.models import (
    ApplicationAutoscalingBackend,
    FakeApplicationAutoscalingPolicy,
)

HIGH_MINUTES, LOW_MINUTES = 3, 15
LOW_SHARE = 0.9
PREDEFINED = {
    "ECSServiceAverageCPUUtilization": "CPUUtilization",
    "ECSServiceAverageMemoryUtilization": "MemoryUtilization",
}


def metric_of(policy: Any) -> dict[str, Any]:
    """Return the metric that a target tracking policy watches, as PutMetricAlarm takes it."""
    configuration = policy.target_tracking_scaling_policy_configuration
    if "PredefinedMetricSpecification" in configuration:
        kind = configuration["PredefinedMetricSpecification"]["PredefinedMetricType"]
        if kind not in PREDEFINED:
            raise AWSValidationException(f"the local cloud has no predefined metric {kind}")
        _, cluster, service = policy.resource_id.split("/")
        pairs = {"ClusterName": cluster, "ServiceName": service}
        return {
            "namespace": "AWS/ECS",
            "metric_name": PREDEFINED[kind],
            "statistic": "Average",
            "dimensions": [{"Name": name, "Value": value} for name, value in pairs.items()],
        }
    custom = configuration.get("CustomizedMetricSpecification") or {}
    if "MetricName" not in custom:
        raise AWSValidationException(
            "the local cloud scales on single metrics, without metric math"
        )
    return {
        "namespace": custom["Namespace"],
        "metric_name": custom["MetricName"],
        "statistic": custom["Statistic"],
        "dimensions": list(custom.get("Dimensions") or []),
        **({"unit": custom["Unit"]} if "Unit" in custom else {}),
    }


def _alarms(self: Any) -> list[Any]:
    """Make the two alarms of a target tracking policy."""
    from moto.cloudwatch.models import cloudwatch_backends

    backend = cloudwatch_backends[self.account_id][self.region_name]
    target = float(self.target_tracking_scaling_policy_configuration["TargetValue"])
    wanted = {
        "High": ("GreaterThanThreshold", target, HIGH_MINUTES),
        "Low": ("LessThanThreshold", target * LOW_SHARE, LOW_MINUTES),
    }
    return [
        backend.put_metric_alarm(
            name=f"TargetTracking-{self.resource_id}-Alarm{kind}-{uuid.uuid4()}",
            metric_data_queries=[],
            comparison_operator=comparison,
            evaluation_periods=minutes,
            period=60,
            threshold=threshold,
            description="DO NOT EDIT OR DELETE. For TargetTrackingScaling policy "
            f"{self.policy_arn}.",
            alarm_actions=[self.policy_arn],
            **metric_of(self),
        )
        for kind, (comparison, threshold, minutes) in wanted.items()
    ]


def _put_scheduled_action(self: Any, **_: Any) -> None:
    raise NotImplementedError("the local cloud has no scheduled scaling")


def _replace(policy: Any, body: dict[str, Any], kind: str) -> None:
    """Give a policy another configuration and its alarms; its ARN stays."""
    tracking = kind == "TargetTrackingScaling"
    policy.policy_type, policy._policy_body = kind, body
    policy.target_tracking_scaling_policy_configuration = body if tracking else None
    policy.step_scaling_policy_configuration = None if tracking else body
    policy.delete_alarms(policy.account_id, policy.region_name)
    policy.alarms = []
    policy.create_alarms()


@cache
def install() -> None:
    """Make these alarms; a policy that is put again replaces those that it had."""
    put = ApplicationAutoscalingBackend.put_scaling_policy

    def put_scaling_policy(
        self: Any,
        policy_name: str,
        service_namespace: str,
        resource_id: str,
        scalable_dimension: str,
        policy_body: dict[str, Any],
        policy_type: str | None,
    ) -> Any:
        names = (service_namespace, resource_id, scalable_dimension, policy_name)
        policy = self.policies.get(FakeApplicationAutoscalingPolicy.formulate_key(*names))
        if policy is None:
            place = (policy_name, service_namespace, resource_id, scalable_dimension)
            return put(self, *place, policy_body, policy_type)
        _replace(policy, policy_body, policy_type or policy.policy_type)
        return policy

    ApplicationAutoscalingBackend.put_scaling_policy = put_scaling_policy
    ApplicationAutoscalingBackend.put_scheduled_action = _put_scheduled_action
    FakeApplicationAutoscalingPolicy._generate_ecs_alarms = _alarms
