"""Evaluate alarms on the world's clock, and run their actions when their state changes.

Follows "Using Amazon CloudWatch alarms" (docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
AlarmThatSendsEmail.html) and SetAlarmState: actions run when the state changes, also when a user
sets it, and the next evaluation corrects it. moto never evaluates, starts an alarm as OK and
forgets the state of one that is put again.
"""

import json
from datetime import datetime
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterValue, ResourceNotFound

from localcloud import world
from localcloud.patches.cloudwatch import actions, series
from localcloud.patches.cloudwatch.evaluation import (
    COMPARISONS,
    EXTRA_PERIODS,
    INSUFFICIENT,
    Rule,
    verdict,
)
from localcloud.times import naive

EVERY = 5.0  # seconds between two evaluations of an alarm; AWS takes up to a minute

ACTIONS = {
    "ALARM": "alarm_actions",
    "OK": "ok_actions",
    "INSUFFICIENT_DATA": "insufficient_data_actions",
}


def _now() -> datetime:
    return naive(world.now())


def check_supported(alarm: Any) -> None:
    """Refuse an alarm that the local cloud cannot evaluate or act on."""
    if alarm.rule is not None or alarm.metric_data_queries:
        raise InvalidParameterValue(
            "The local cloud has no composite alarms and no metric math alarms"
        )
    if alarm.comparison_operator not in COMPARISONS or alarm.extended_statistic:
        raise InvalidParameterValue("The local cloud has no anomaly or percentile alarms")
    for name in ACTIONS.values():
        for arn in getattr(alarm, name):
            if not actions.is_supported(arn):
                raise InvalidParameterValue(
                    "The local cloud's alarms only publish to SNS, invoke functions and run "
                    f"policies of Application Auto Scaling: {arn}"
                )


def begin(alarm: Any, previous: Any | None) -> None:
    """Set up an alarm that was put: new, or over ``previous``, whose state it keeps."""
    alarm.configuration_updated_timestamp = alarm.state_updated_timestamp = _now()
    alarm.state_value = INSUFFICIENT
    alarm.evaluated_at = float("-inf")
    alarm.records = previous.records if previous else []
    if previous:
        for name in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp"):
            setattr(alarm, name, getattr(previous, name))
    did = "updated" if previous else "created"
    record(alarm, "ConfigurationUpdate", f'Alarm "{alarm.name}" {did}', {"type": did})


def record(alarm: Any, kind: str, summary: str, data: dict[str, Any]) -> None:
    """Add to the alarm's history."""
    alarm.records.append(
        {
            "AlarmName": alarm.name,
            "AlarmType": "MetricAlarm",
            "Timestamp": _now(),
            "HistoryItemType": kind,
            "HistorySummary": summary,
            "HistoryData": json.dumps({"version": "1.0", **data}),
        }
    )


def evaluate(backend: Any, alarm: Any, now: float) -> None:
    """Bring an alarm to the state that its metric gives it, at most every ``EVERY`` seconds."""
    if now - alarm.evaluated_at < EVERY:
        return
    alarm.evaluated_at = now
    dimensions = [{"Name": d.name, "Value": d.value} for d in alarm.dimensions]
    found = series.series_of(backend).get(
        series.key(alarm.namespace, alarm.metric_name, dimensions), []
    )
    periods = int(alarm.evaluation_periods)
    many = periods + EXTRA_PERIODS
    values = [
        series.statistic(samples, alarm.statistic)
        for samples in series.windows(found, now, float(alarm.period), many)
    ]
    rule = Rule(
        alarm.comparison_operator,
        float(alarm.threshold),
        periods,
        int(alarm.datapoints_to_alarm or periods),
        alarm.treat_missing_data or "missing",
    )
    result = verdict(rule, values, alarm.state_value)
    if result.state != alarm.state_value:
        change_state(alarm, result.state, result.reason, _reason_data(alarm, values))


def _reason_data(alarm: Any, values: list[float | None]) -> str:
    real = [value for value in values if value is not None]
    data = {
        "version": "1.0",
        "queryDate": _now().isoformat(),
        "statistic": alarm.statistic,
        "period": int(alarm.period),
        "recentDatapoints": real[-int(alarm.evaluation_periods) :],
        "threshold": float(alarm.threshold),
    }
    return json.dumps(data)


def set_state(backend: Any, name: str, reason: str, data: str | None, state: str) -> None:
    """SetAlarmState: holds until the next evaluation."""
    alarm = backend.alarms.get(name)
    if alarm is None:
        raise ResourceNotFound("Alarm with name " + name + " does not exist")
    if state not in ACTIONS:
        raise InvalidParameterValue(f"{state} is not an alarm state")
    alarm.evaluated_at = world.now()
    if state != alarm.state_value:
        change_state(alarm, state, reason, data or "{}")


def change_state(alarm: Any, state: str, reason: str, data: str) -> None:
    """Set an alarm's state, record it, and run the actions of that state."""
    previous = actions.state_of(alarm)
    alarm.state_value, alarm.state_reason, alarm.state_reason_data = state, reason, data
    alarm.state_updated_timestamp = _now()
    summary = f"Alarm updated from {previous['value']} to {state}"
    states = {"oldState": {"stateValue": previous["value"]}, "newState": {"stateValue": state}}
    record(alarm, "StateUpdate", summary, states)
    if alarm.actions_enabled:
        for arn in getattr(alarm, ACTIONS[state]):
            _execute(alarm, arn, previous)


def _execute(alarm: Any, arn: str, previous: actions.State) -> None:
    try:
        actions.execute(alarm, arn, previous)
    except Exception as error:  # AWS, too, only records an action that failed
        record(alarm, "Action", f"Failed to execute action {arn}", {"error": str(error)})
        return
    record(alarm, "Action", f"Successfully executed action {arn}", {"actionState": "Succeeded"})
