"""The alarms of an environment, beside those of one whose name begins like its own."""

from typing import Any

import pytest

from common.clients import Clients
from deploy.cluster.alarms import Alarm, alarm_names, find_alarms
from tests.unit.answers import Answers
from tests.unit.deploy.builders import an_environment

PROD, PROD_EU = an_environment(name="prod"), an_environment(name="prod-eu")
ALARM: dict[str, Any] = {
    "Namespace": "Ray/Head",
    "MetricName": "Beat",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1,
    "ComparisonOperator": "LessThanThreshold",
}


def test_the_alarms_of_an_environment_are_read_as_they_are() -> None:
    entries = [
        {"AlarmName": "raykiln-dev-no-leader", "StateValue": "ALARM", "StateReason": "why"},
        {"AlarmName": "raykiln-dev-no-standby", "StateValue": "OK"},
    ]
    aws: Any = Answers(describe_alarms={"MetricAlarms": entries})

    assert find_alarms(aws, an_environment()) == (
        Alarm("raykiln-dev-no-leader", "ALARM", "why"),
        Alarm("raykiln-dev-no-standby", "OK", ""),
    )


@pytest.mark.usefixtures("world")
def test_the_alarms_of_a_longer_name_are_another_environment_s() -> None:
    clients = Clients("us-east-1")
    cloudwatch = clients("cloudwatch")
    for name in (*alarm_names(PROD), *alarm_names(PROD_EU)):
        cloudwatch.put_metric_alarm(AlarmName=name, **ALARM)
    cloudwatch.set_alarm_state(
        AlarmName="raykiln-prod-eu-no-leader", StateValue="ALARM", StateReason="it is paused"
    )

    ours = find_alarms(clients, PROD)

    assert sorted(one.name for one in ours) == [
        "raykiln-prod-autoscaler",
        "raykiln-prod-head-launch",
        "raykiln-prod-head-not-ready",
        "raykiln-prod-no-healthy-target",
        "raykiln-prod-no-leader",
    ]
    assert "ALARM" not in {one.state for one in ours}
    theirs = {one.name: one.state for one in find_alarms(clients, PROD_EU)}
    assert theirs["raykiln-prod-eu-no-leader"] == "ALARM"
