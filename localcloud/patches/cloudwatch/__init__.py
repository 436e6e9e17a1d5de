"""CloudWatch alarms that are evaluated, act, and have a history.

moto stores alarms and metrics and evaluates nothing. ``evaluation`` decides, ``series`` keeps the
data, ``statistics`` sums them up, ``alarms`` changes states and runs ``actions``,
``service_metrics`` reports what AWS's own services would.
"""

from functools import cache
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from localcloud import behaviour
from localcloud.patches.cloudwatch import alarms, series, service_metrics, statistics
from localcloud.world import World


@cache
def install() -> None:
    """Put alarms and metrics on the world's clock."""
    put_alarm, put_data = CloudWatchBackend.put_metric_alarm, CloudWatchBackend.put_metric_data

    def put_metric_alarm(self: Any, name: str, *args: Any, **given: Any) -> Any:
        previous = self.alarms.get(name)
        alarm = put_alarm(self, name, *args, **given)
        try:
            alarms.check_supported(alarm)
        except Exception:
            self.alarms.pop(name)
            if previous:
                self.alarms[name] = previous
            raise
        alarms.begin(alarm, previous)
        return alarm

    def put_metric_data(self: Any, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        series.stamp(metric_data)
        put_data(self, namespace, metric_data)
        series.keep(self, namespace, metric_data)

    CloudWatchBackend.put_metric_alarm = put_metric_alarm
    CloudWatchBackend.put_metric_data = put_metric_data
    read = CloudWatchBackend.get_metric_statistics
    CloudWatchBackend.get_metric_statistics = statistics.by_period(read)
    CloudWatchBackend.set_alarm_state = alarms.set_state
    CloudWatchResponse.describe_alarm_history = _describe_alarm_history


def _describe_alarm_history(self: Any) -> ActionResult:
    name, kind = self._get_param("AlarmName"), self._get_param("HistoryItemType")
    found = [
        record
        for alarm in self.cloudwatch_backend.alarms.values()
        for record in alarm.records
        if name in (None, alarm.name) and kind in (None, record["HistoryItemType"])
    ]
    found.sort(key=lambda record: record["Timestamp"], reverse=True)
    return ActionResult({"AlarmHistoryItems": found})


def attach(world: World) -> None:
    """Let the world's clock evaluate alarms and report the services' metrics."""
    due = [float("-inf")]

    def step(now: float) -> None:
        if now >= due[0]:
            due[0] = now + behaviour.current().service_metrics
            service_metrics.report()
        _evaluate_all(now)

    world.reconcilers.append(step)


def _evaluate_all(now: float) -> None:
    for account in list(cloudwatch_backends.values()):
        for backend in list(account.values()):
            for alarm in list(backend.alarms.values()):
                alarms.evaluate(backend, alarm, now)
