"""What an alarm does when its state changes: publish, invoke a function, or scale a service.

Follows "Using Amazon CloudWatch alarms" and "Invoke a Lambda function from an alarm"
(docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html): the
function's own policy has to allow lambda.alarms.cloudwatch.amazonaws.com.
"""

import json
from datetime import datetime
from typing import Any

from localcloud.account import ACCOUNT, REGION
from localcloud.patches import awslambda, internal

SCALING = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:scalingPolicy:"
TOPICS, FUNCTIONS = "arn:aws:sns:", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:"
INVOKER = "lambda.alarms.cloudwatch.amazonaws.com"

State = dict[str, Any]


def is_supported(arn: str) -> bool:
    """Say whether the local cloud's alarms can run this action."""
    return arn.startswith((TOPICS, FUNCTIONS, SCALING))


def state_of(alarm: Any) -> State:
    """Return the alarm's state as an event has it."""
    return {
        "value": alarm.state_value,
        "reason": alarm.state_reason,
        "reasonData": alarm.state_reason_data,
        "timestamp": _stamp(alarm.state_updated_timestamp),
    }


def execute(alarm: Any, arn: str, previous: State) -> None:
    """Run one action of an alarm that left the state ``previous``; raises on failure."""
    if arn.startswith(SCALING):
        from localcloud.patches.applicationautoscaling import actions  # which reads series

        actions.run(alarm, arn)
        return
    if arn.startswith(FUNCTIONS):
        payload = json.dumps(event(alarm, previous))
        awslambda.invoke_for(INVOKER, arn, payload, alarm.alarm_arn)
        return
    subject = f'{alarm.state_value}: "{alarm.name}" in US East (N. Virginia)'
    body = json.dumps(message(alarm, previous["value"]))
    internal.call("sns", "publish", TopicArn=arn, Subject=subject[:100], Message=body)


def event(alarm: Any, previous: State) -> dict[str, Any]:
    """Return what a function gets, in the shape that CloudWatch sends."""
    metric = {
        "namespace": alarm.namespace,
        "name": alarm.metric_name,
        "dimensions": {d.name: d.value for d in alarm.dimensions},
    }
    described = {"metric": metric, "period": int(alarm.period), "stat": alarm.statistic}
    return {
        "source": "aws.cloudwatch",
        "alarmArn": alarm.alarm_arn,
        "accountId": ACCOUNT,
        "time": _stamp(alarm.state_updated_timestamp),
        "region": REGION,
        "alarmData": {
            "alarmName": alarm.name,
            "state": state_of(alarm),
            "previousState": previous,
            "configuration": {
                "description": alarm.description,
                "metrics": [{"id": "m1", "metricStat": described, "returnData": True}],
            },
        },
    }


def _stamp(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}+0000"


def message(alarm: Any, old: str) -> dict[str, Any]:
    """Return what subscribers get, in the shape that CloudWatch sends."""
    trigger = {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        "StatisticType": "Statistic",
        "Statistic": alarm.statistic.upper(),
        "Unit": alarm.unit,
        "Dimensions": [{"value": d.value, "name": d.name} for d in alarm.dimensions],
        "Period": int(alarm.period),
        "EvaluationPeriods": int(alarm.evaluation_periods),
        "DatapointsToAlarm": int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": float(alarm.threshold),
        "TreatMissingData": alarm.treat_missing_data or "missing",
    }
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": alarm.alarm_arn.split(":")[4],
        "AlarmConfigurationUpdatedTimestamp": f"{alarm.configuration_updated_timestamp}Z",
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": alarm.state_updated_timestamp.isoformat() + "+0000",
        "Region": "US East (N. Virginia)",
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": old,
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
        "Trigger": trigger,
    }
