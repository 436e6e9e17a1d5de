"""What a scaling policy does when its alarm calls it, and the record of it.

Follows "Using Amazon CloudWatch alarms" (docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
AlarmThatSendsEmail.html: an Auto Scaling action is run once a minute while the alarm is in ALARM),
cooldowns in .../autoscaling/application/userguide/target-tracking-scaling-policy-overview.html and
.../step-scaling-policy-overview.html (scaling out goes on during a cooldown where more is needed;
scaling in waits; 300 s for services of ECS), SuspendedState of RegisterScalableTarget and
DescribeScalingActivities (.../autoscaling/application/APIReference/).
"""

import uuid
from functools import cache
from typing import Any

from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.responses import ActionResult

from localcloud import world
from localcloud.account import ACCOUNT, REGION
from localcloud.patches.applicationautoscaling.decisions import step_for, stepped, tracked
from localcloud.patches.cloudwatch import series
from localcloud.patches.internal import call

PREFIX = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:scalingPolicy:"
COOLDOWN = 300.0
AGAIN_SECONDS = 60.0


def _backend() -> Any:
    return applicationautoscaling_backends[ACCOUNT][REGION]


def _activities() -> list[dict[str, Any]]:
    """Return the activities, newest first; moto's reset forgets them."""
    held: list[dict[str, Any]] = vars(_backend()).setdefault("activities", [])
    return held


def run(alarm: Any, arn: str) -> None:
    """Run a policy's action for an alarm in ALARM; raises LookupError without the policy."""
    policy = next((p for p in _backend().policies.values() if p.policy_arn == arn), None)
    if policy is None:
        raise LookupError(f"there is no scaling policy {arn}")
    target = _backend().targets[policy.scalable_dimension][policy.resource_id]
    current = desired_count(policy.resource_id)
    metric = _latest(alarm)
    if metric is None:
        return
    base = _base(target, current)
    wanted = _wanted(policy, alarm, base, metric)
    wanted = max(target.min_capacity, min(target.max_capacity, wanted))
    if base != current:  # more than what is already on its way, or nothing
        wanted = max(current, wanted)
    if wanted != current and _may(target, current, wanted):
        _change(target, policy, alarm, current, wanted)


def _base(target: Any, current: int) -> int:
    """Return the capacity before the scaling out that is still in its cooldown."""
    until, base = vars(target).setdefault("cooldowns", {}).get("out", (0.0, current))
    return int(base) if world.now() < until else current


def _wanted(policy: Any, alarm: Any, current: int, metric: float) -> int:
    tracking = policy.target_tracking_scaling_policy_configuration
    if tracking:
        wanted = tracked(current, metric, float(tracking["TargetValue"]))
        scales_out = alarm.comparison_operator == "GreaterThanThreshold"
        if scales_out:
            return max(current, wanted)
        return current if tracking.get("DisableScaleIn") else min(current, wanted)
    configuration = policy.step_scaling_policy_configuration
    breach = metric - float(alarm.threshold)
    step = step_for(configuration["StepAdjustments"], breach)
    return stepped(current, configuration, step) if step else current


def _may(target: Any, current: int, wanted: int) -> bool:
    """Say whether neither suspension nor a cooldown stands against the change."""
    out = wanted > current
    suspended = target.suspended_state or {}
    if suspended.get("DynamicScalingOutSuspended" if out else "DynamicScalingInSuspended"):
        return False
    return out or all(world.now() >= until for until, _ in target.cooldowns.values())


def _cooldown(policy: Any, out: bool) -> float:
    tracking = policy.target_tracking_scaling_policy_configuration
    if tracking:
        return float(tracking.get("ScaleOutCooldown" if out else "ScaleInCooldown", COOLDOWN))
    return float(policy.step_scaling_policy_configuration.get("Cooldown", COOLDOWN))


def _change(target: Any, policy: Any, alarm: Any, current: int, wanted: int) -> None:
    _, cluster, service = policy.resource_id.split("/")
    call("ecs", "update_service", cluster=cluster, service=service, desiredCount=wanted)
    now, out = world.now(), wanted > current
    base = _base(target, current)
    target.cooldowns["out" if out else "in"] = (now + _cooldown(policy, out), base)
    _activities().insert(
        0,
        {
            "ActivityId": str(uuid.uuid4()),
            "ServiceNamespace": policy.service_namespace,
            "ResourceId": policy.resource_id,
            "ScalableDimension": policy.scalable_dimension,
            "Description": f"Setting desired count to {wanted}.",
            "Cause": f"monitor alarm {alarm.name} in state ALARM triggered policy "
            f"{policy.policy_name}",
            "StartTime": now,
            "EndTime": now,
            "StatusCode": "Successful",
            "StatusMessage": f"Successfully set desired count to {wanted}. Change successfully "
            "fulfilled by ecs.",
        },
    )


def desired_count(resource_id: str) -> int:
    """Return the desired count of a service, named as in ``service/CLUSTER/NAME``."""
    _, cluster, service = resource_id.split("/")
    found = call("ecs", "describe_services", cluster=cluster, services=[service])
    return int(found["services"][0]["desiredCount"])


def _latest(alarm: Any) -> float | None:
    """Return the newest datapoint of an alarm's metric."""
    dimensions = [{"Name": d.name, "Value": d.value} for d in alarm.dimensions]
    backend = cloudwatch_backends[ACCOUNT][REGION]
    key = series.key(alarm.namespace, alarm.metric_name, dimensions)
    found = series.series_of(backend).get(key, [])
    periods = series.windows(found, world.now(), float(alarm.period), 5)
    values = [series.statistic(samples, alarm.statistic) for samples in periods]
    return next((value for value in reversed(values) if value is not None), None)


def run_again(now: float) -> None:
    """Run the scaling actions of alarms that are still in ALARM, once a minute."""
    backends = [backend for each in list(cloudwatch_backends.values()) for backend in each.values()]
    for alarm in [alarm for backend in backends for alarm in backend.alarms.values()]:
        due = vars(alarm).get("scaled_at", now) + AGAIN_SECONDS
        if alarm.state_value != "ALARM" or not alarm.actions_enabled:
            vars(alarm).pop("scaled_at", None)
        elif "scaled_at" not in vars(alarm):
            alarm.scaled_at = now
        elif now >= due:
            alarm.scaled_at = now
            for arn in alarm.alarm_actions:
                if arn.startswith(PREFIX):
                    run(alarm, arn)


def _describe_scaling_activities(self: Any) -> ActionResult:
    namespace, resource = self._get_param("ServiceNamespace"), self._get_param("ResourceId")
    found = [
        one
        for one in _activities()
        if one["ServiceNamespace"] == namespace and resource in (None, one["ResourceId"])
    ]
    return ActionResult({"ScalingActivities": found})


@cache
def install() -> None:
    """Answer DescribeScalingActivities."""
    ApplicationAutoScalingResponse.describe_scaling_activities = _describe_scaling_activities
