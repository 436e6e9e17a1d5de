"""Alarms: the documentation's tables, and what subscribers get."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.patches.cloudwatch.evaluation import ALARM, INSUFFICIENT, OK, Rule, verdict
from tests.unit.localcloud.fakes import FakeClock

Clients = Callable[[str], Any]

KEPT = "KEPT"  # the state the alarm was in


def a_rule(missing: str = "missing", datapoints: int = 3) -> Rule:
    return Rule("LessThanThreshold", 1.0, 3, datapoints, missing)


def points(drawn: str) -> list[float | None]:
    """Five datapoints as the documentation draws them: 0 within, X breaching, - missing."""
    return [{"0": 1.0, "X": 0.0, "-": None}[one] for one in drawn.split()]


# "How alarm state is evaluated when data is missing", CloudWatch User Guide: the tables for 3 out
# of 3 and for 2 out of 3 datapoints; columns missing, ignore, breaching, notBreaching.
TABLE = {
    (3, "0 - X - X"): (OK, OK, OK, OK),
    (3, "0 - - - -"): (OK, OK, OK, OK),
    (3, "- - - - -"): (INSUFFICIENT, KEPT, ALARM, OK),
    (3, "0 X X - X"): (ALARM, ALARM, ALARM, ALARM),
    (3, "- - X - -"): (ALARM, KEPT, ALARM, OK),
    (2, "0 - X - X"): (ALARM, ALARM, ALARM, ALARM),
    (2, "0 0 X 0 X"): (ALARM, ALARM, ALARM, ALARM),
    (2, "0 - X - -"): (OK, OK, ALARM, OK),
    (2, "- - - - 0"): (OK, OK, ALARM, OK),
    (2, "- - - X -"): (ALARM, KEPT, ALARM, OK),
}
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


@pytest.mark.parametrize("row", TABLE)
@pytest.mark.parametrize("treatment", TREATMENTS)
def test_missing_data_is_treated_as_in_the_documentations_tables(
    row: tuple[int, str], treatment: str
) -> None:
    datapoints, drawn = row
    expected = TABLE[row][TREATMENTS.index(treatment)]
    for state in (OK, ALARM):
        found = verdict(a_rule(treatment, datapoints), points(drawn), state).state
        assert found == (state if expected == KEPT else expected)


def test_a_few_breaching_points_do_not_yet_change_the_state() -> None:
    assert verdict(a_rule(), points("- - - - X"), INSUFFICIENT).state == INSUFFICIENT


def test_the_reason_counts_what_breached() -> None:
    reason = verdict(a_rule(), points("0 0 X X X"), OK).reason

    assert reason == (
        "Threshold Crossed: 3 out of the last 3 datapoints [0.0, 0.0, 0.0] were less than the "
        "threshold (1.0) (minimum 3 datapoints for OK -> ALARM transition)."
    )


class Watched:
    """One alarm on a heartbeat, its topic, and a queue subscribed to the topic."""

    def __init__(self, aws: Clients, **changes: Any) -> None:
        self.cloudwatch = aws("cloudwatch")
        self.topic = aws("sns").create_topic(Name="alarms")["TopicArn"]
        self.sqs = aws("sqs")
        self.queue = self.sqs.create_queue(QueueName="received")["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        aws("sns").subscribe(
            TopicArn=self.topic, Protocol="sqs", Endpoint=attributes["Attributes"]["QueueArn"]
        )
        alarm = {
            "AlarmName": "head-not-ready",
            "Namespace": "Ray/Head",
            "MetricName": "HeadReady",
            "Dimensions": [{"Name": "Environment", "Value": "test"}],
            "Statistic": "Maximum",
            "Period": 60,
            "EvaluationPeriods": 3,
            "ComparisonOperator": "LessThanThreshold",
            "Threshold": 1.0,
            "TreatMissingData": "breaching",
            "AlarmActions": [self.topic],
            "OKActions": [self.topic],
        }
        self.put({**alarm, **changes})

    def put(self, alarm: dict[str, Any]) -> None:
        self.alarm = alarm
        self.cloudwatch.put_metric_alarm(**alarm)

    def heartbeat(self, value: float = 1.0, environment: str = "test") -> None:
        dimensions = [{"Name": "Environment", "Value": environment}]
        datum = {"MetricName": "HeadReady", "Value": value, "Dimensions": dimensions}
        self.cloudwatch.put_metric_data(Namespace="Ray/Head", MetricData=[datum])

    def described(self) -> dict[str, Any]:
        (found,) = self.cloudwatch.describe_alarms(AlarmNames=["head-not-ready"])["MetricAlarms"]
        return dict(found)

    @property
    def state(self) -> str:
        return str(self.described()["StateValue"])

    def received(self) -> list[dict[str, Any]]:
        found = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        bodies = [json.loads(message["Body"]) for message in found.get("Messages", [])]
        return [{**json.loads(body["Message"]), "Subject": body["Subject"]} for body in bodies]


def test_a_new_alarm_has_insufficient_data(aws: Clients) -> None:
    assert Watched(aws).state == INSUFFICIENT


def test_without_heartbeats_the_alarm_goes_to_alarm_and_publishes(
    aws: Clients, clock: FakeClock
) -> None:
    watched = Watched(aws)
    for _ in range(5):
        watched.heartbeat()
        clock.advance(60)
    assert watched.state == OK
    watched.received()

    clock.advance(5 * 60)

    assert watched.state == ALARM
    (message,) = watched.received()
    assert (message["OldStateValue"], message["NewStateValue"]) == (OK, ALARM)
    assert message["Subject"] == 'ALARM: "head-not-ready" in US East (N. Virginia)'
    assert message["Trigger"]["MetricName"] == "HeadReady"


def test_with_two_of_three_heartbeats_missed_the_alarm_stays_ok(
    aws: Clients, clock: FakeClock
) -> None:
    watched = Watched(aws)
    for _ in range(5):
        watched.heartbeat()
        clock.advance(60)

    clock.advance(2 * 60)

    assert watched.state == OK


def test_values_below_the_threshold_lead_to_alarm_and_good_ones_to_ok(
    aws: Clients, clock: FakeClock
) -> None:
    watched = Watched(aws)
    for _ in range(3):
        watched.heartbeat(0.0)
        clock.advance(60)
    assert watched.state == ALARM

    watched.heartbeat(1.0)
    clock.advance(10)

    assert watched.state == OK
    assert "was not less than the threshold (1.0)" in watched.described()["StateReason"]


def test_periods_begin_with_the_whole_minute_of_the_start(aws: Clients, clock: FakeClock) -> None:
    watched = Watched(aws)
    clock.advance(-clock.now() % 3600 + 40.5)  # 40.5 s after a full hour
    start = datetime.fromtimestamp(clock.now() + 19, UTC)  # 59.5 s after it
    for seconds in (20, 20.5, 9.5, 60, 120):  # beats 1:00.5, 1:21, 1:30.5, 2:30.5, 4:30.5 after it
        clock.advance(seconds)
        watched.heartbeat()

    def counted(period: int) -> dict[str, float]:
        found = watched.cloudwatch.get_metric_statistics(
            Namespace="Ray/Head",
            MetricName="HeadReady",
            Dimensions=[{"Name": "Environment", "Value": "test"}],
            StartTime=start,
            EndTime=start + timedelta(minutes=9),
            Period=period,
            Statistics=["Sum"],
        )
        return {f"{p['Timestamp']:%M:%S}": p["Sum"] for p in found["Datapoints"]}

    assert counted(60) == {"01:00": 3.0, "02:00": 1.0, "04:00": 1.0}
    assert counted(120) == {"00:00": 3.0, "02:00": 1.0, "04:00": 1.0}


def test_another_environments_heartbeats_do_not_count(aws: Clients, clock: FakeClock) -> None:
    watched = Watched(aws)

    watched.heartbeat(environment="other")
    clock.advance(10)

    assert watched.state == ALARM


def test_a_state_set_by_hand_runs_the_actions_and_lasts_until_the_next_evaluation(
    aws: Clients, clock: FakeClock
) -> None:
    watched = Watched(aws)
    watched.heartbeat()
    clock.advance(10)
    watched.received()

    watched.cloudwatch.set_alarm_state(
        AlarmName="head-not-ready", StateValue=ALARM, StateReason="a drill"
    )

    assert watched.state == ALARM
    assert [message["NewStateReason"] for message in watched.received()] == ["a drill"]
    clock.advance(10)
    assert watched.state == OK


def test_disabled_actions_do_not_run(aws: Clients, clock: FakeClock) -> None:
    watched = Watched(aws, ActionsEnabled=False)

    clock.advance(10)

    assert (watched.state, watched.received()) == (ALARM, [])


def test_putting_an_alarm_again_keeps_its_state(aws: Clients, clock: FakeClock) -> None:
    watched = Watched(aws)
    clock.advance(10)

    watched.put({**watched.alarm, "EvaluationPeriods": 5})

    assert watched.state == ALARM


def test_history_lists_states_and_actions_newest_first(aws: Clients, clock: FakeClock) -> None:
    watched = Watched(aws)
    clock.advance(10)

    items = watched.cloudwatch.describe_alarm_history(AlarmName="head-not-ready")

    kinds = [item["HistoryItemType"] for item in items["AlarmHistoryItems"]]
    assert sorted(kinds) == ["Action", "ConfigurationUpdate", "StateUpdate"]
    assert kinds[-1] == "ConfigurationUpdate"
    summaries = [item["HistorySummary"] for item in items["AlarmHistoryItems"]]
    assert f"Alarm updated from {INSUFFICIENT} to {ALARM}" in summaries


def test_an_alarm_with_an_unsupported_action_is_refused(aws: Clients) -> None:
    with pytest.raises(ClientError, match="only publish to SNS"):
        Watched(aws, AlarmActions=["arn:aws:automate:us-east-1:ec2:reboot"])


def test_metrics_without_a_time_get_the_worlds_time(aws: Clients, clock: FakeClock) -> None:
    watched = Watched(aws)
    watched.heartbeat()

    now = datetime.fromtimestamp(clock.now(), UTC)
    found = watched.cloudwatch.get_metric_statistics(
        Namespace="Ray/Head",
        MetricName="HeadReady",
        Dimensions=[{"Name": "Environment", "Value": "test"}],
        StartTime=now - timedelta(seconds=60),
        EndTime=now + timedelta(seconds=60),
        Period=60,
        Statistics=["Maximum"],
    )

    assert [point["Maximum"] for point in found["Datapoints"]] == [1.0]


@pytest.mark.parametrize(("messages", "state"), [(0, OK), (1, OK), (2, ALARM)])
def test_what_waits_in_a_queue_is_a_metric(
    aws: Clients, clock: FakeClock, messages: int, state: str
) -> None:
    url = aws("sqs").create_queue(QueueName="dead-letters")["QueueUrl"]
    aws("cloudwatch").put_metric_alarm(
        AlarmName="dead-letters",
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": "dead-letters"}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Threshold=2,
    )
    for _ in range(messages):
        aws("sqs").send_message(QueueUrl=url, MessageBody="x")

    clock.advance(90, every=5)

    (alarm,) = aws("cloudwatch").describe_alarms()["MetricAlarms"]
    assert alarm["StateValue"] == state
