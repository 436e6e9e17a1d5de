"""Which group metrics are enabled; they are reported with the other services' own metrics.

Follows EnableMetricsCollection and DisableMetricsCollection in the Amazon EC2 Auto Scaling API
reference: without names, it means all. moto then enables none, and cannot disable any.
"""

from functools import cache
from typing import Any

from moto.autoscaling.models import AutoScalingBackend
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import EmptyResult

ALL = (
    "GroupDesiredCapacity",
    "GroupInServiceInstances",
    "GroupMaxSize",
    "GroupMinSize",
    "GroupPendingInstances",
    "GroupStandbyInstances",
    "GroupTerminatingInstances",
    "GroupTotalInstances",
)


def _enable(self: Any, group_name: str, metrics: list[str] | None) -> None:
    group = self.autoscaling_groups[group_name]
    group.metrics = sorted({*group.metrics, *(metrics or ALL)})


def _disable(self: Any) -> EmptyResult:
    group = self.autoscaling_backend.autoscaling_groups[self._get_param("AutoScalingGroupName")]
    unwanted = self._get_param("Metrics") or ALL
    group.metrics = [name for name in group.metrics if name not in unwanted]
    return EmptyResult()


@cache
def install() -> None:
    AutoScalingBackend.enable_metrics_collection = _enable
    AutoScalingResponse.disable_metrics_collection = _disable
