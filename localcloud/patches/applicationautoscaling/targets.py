"""Registering a target brings a capacity that is outside of its range into it, as on AWS.

Follows "Scalable target" (docs.aws.amazon.com/autoscaling/application/userguide/
getting-started.html): whenever RegisterScalableTarget is called, the current capacity is compared
with the minimum and the maximum, and changed to comply. moto only keeps the range.
"""

from functools import cache
from typing import Any

from moto.applicationautoscaling.models import ApplicationAutoscalingBackend

from localcloud.patches.applicationautoscaling.actions import desired_count
from localcloud.patches.internal import call


@cache
def install() -> None:
    """Compare after moto has registered a target."""
    register = ApplicationAutoscalingBackend.register_scalable_target

    def registered(self: Any, *args: Any, **given: Any) -> Any:
        target = register(self, *args, **given)
        if target.service_namespace == "ecs":
            _comply(target)
        return target

    ApplicationAutoscalingBackend.register_scalable_target = registered


def _comply(target: Any) -> None:
    current = desired_count(target.resource_id)
    wanted = max(target.min_capacity, min(target.max_capacity, current))
    if wanted != current:
        _, cluster, service = target.resource_id.split("/")
        call("ecs", "update_service", cluster=cluster, service=service, desiredCount=wanted)
