"""Lambda functions: who may invoke them, their environment, retries and logs."""

import io
import json
import time
import zipfile
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.cloudwatch.models import cloudwatch_backends

from localcloud.driver import Answer
from localcloud.patches.cloudwatch import series
from localcloud.processes import TIMED_OUT
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

Clients = Callable[[str], Any]

NAME = "remediation"
ARN = f"arn:aws:lambda:us-east-1:123456789012:function:{NAME}"
INVOKER = "lambda.alarms.cloudwatch.amazonaws.com"
ALARM = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:no-leader"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:dead"
LOGS = f"/aws/lambda/{NAME}"
FUNCTION = [{"Name": "FunctionName", "Value": NAME}]
FAILED = Answer(1, "[ERROR] KeyError: 'x'\n", "")


class Remediation:
    """A function that an alarm invokes, and both as an operator sees them."""

    def __init__(self, aws: Clients, clock: FakeClock, driver: FakeDriver) -> None:
        self.aws, self.clock, self.driver = aws, clock, driver
        self.api, self.iam, self.logs = aws("lambda"), aws("iam"), aws("logs")
        self.role = self._role()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("index.py", "def handler(event, context): ...")
        self.api.create_function(
            FunctionName=NAME,
            Runtime="python3.13",
            Handler="index.handler",
            Role=self.role,
            Code={"ZipFile": archive.getvalue()},
            Timeout=30,
            Environment={"Variables": {"TABLE": "t"}},
        )
        self.logs.create_log_group(logGroupName=LOGS)

    def _role(self) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
        made = self.iam.create_role(
            RoleName="remediation",
            AssumeRolePolicyDocument=policy(trust | {"Action": "sts:AssumeRole"}),
        )
        self.allow("logs:*")
        return str(made["Role"]["Arn"])

    def allow(self, action: str) -> None:
        document = policy({"Effect": "Allow", "Action": action, "Resource": "*"})
        self.iam.put_role_policy(RoleName="remediation", PolicyName="p", PolicyDocument=document)

    def permit(self, **changes: str) -> None:
        wanted = {"SourceAccount": "123456789012", "SourceArn": ALARM, "Principal": INVOKER}
        self.api.add_permission(
            FunctionName=NAME,
            StatementId="alarm",
            Action="lambda:InvokeFunction",
            **wanted | changes,
        )

    def alarm(self, action: str = ARN) -> None:
        """Create an alarm, and set it to ALARM."""
        cloudwatch = self.aws("cloudwatch")
        cloudwatch.put_metric_alarm(
            AlarmName="no-leader",
            AlarmDescription="no leader",
            Namespace="Ray/Head",
            MetricName="HeadLeader",
            Dimensions=[{"Name": "Environment", "Value": "dev"}],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=3,
            ComparisonOperator="LessThanThreshold",
            Threshold=1,
            AlarmActions=[action],
        )
        cloudwatch.set_alarm_state(AlarmName="no-leader", StateValue="ALARM", StateReason="a test")
        self.clock.advance(2)

    def history(self) -> list[dict[str, Any]]:
        found = self.aws("cloudwatch").describe_alarm_history(
            AlarmName="no-leader", HistoryItemType="Action"
        )
        return list(found["AlarmHistoryItems"])

    def invoke(self) -> None:
        self.api.invoke(FunctionName=NAME, InvocationType="Event", Payload=b'{"a": 1}')

    def printed(self) -> list[str]:
        found = self.logs.filter_log_events(logGroupName=LOGS)
        return [event["message"] for event in found["events"]]


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def remediation(aws: Clients, clock: FakeClock, driver: FakeDriver) -> Remediation:
    clock.time = time.time()  # moto refuses log events of another day
    return Remediation(aws, clock, driver)


def test_an_alarm_invokes_its_function_with_an_event_in_cloudwatch_s_form(
    remediation: Remediation, driver: FakeDriver
) -> None:
    remediation.permit()

    remediation.alarm()

    (work,) = driver.works
    event = json.loads(work.event)
    assert (event["source"], event["alarmArn"]) == ("aws.cloudwatch", ALARM)
    assert event["time"] == event["alarmData"]["state"]["timestamp"]
    assert event["alarmData"]["alarmName"] == "no-leader"
    assert event["alarmData"]["state"]["value"] == "ALARM"
    assert event["alarmData"]["previousState"]["value"] == "INSUFFICIENT_DATA"
    (metric,) = event["alarmData"]["configuration"]["metrics"]
    assert metric["metricStat"]["metric"]["dimensions"] == {"Environment": "dev"}
    assert remediation.history()[0]["HistorySummary"] == f"Successfully executed action {ARN}"


@pytest.mark.parametrize(
    "changes",
    [
        {"SourceArn": ALARM + "-not"},
        {"SourceAccount": "210987654321"},
        {"Principal": "cloudwatch.amazonaws.com"},
    ],
)
def test_an_alarm_without_permission_is_refused_and_its_history_says_so(
    remediation: Remediation, driver: FakeDriver, changes: dict[str, str]
) -> None:
    remediation.permit(**changes)

    remediation.alarm()

    assert driver.works == []
    (item,) = remediation.history()
    assert item["HistorySummary"] == f"Failed to execute action {ARN}"
    assert "no resource-based policy allows" in item["HistoryData"]


def test_without_a_policy_no_alarm_may_invoke(remediation: Remediation, driver: FakeDriver) -> None:
    remediation.alarm()

    assert driver.works == []


def test_an_alarm_whose_function_is_missing_says_so(remediation: Remediation) -> None:
    remediation.alarm(ARN + "-gone")

    assert "Function not found" in remediation.history()[0]["HistoryData"]


def test_a_function_finds_its_role_s_keys_its_region_and_its_variables(
    remediation: Remediation, aws: Clients, driver: FakeDriver
) -> None:
    remediation.invoke()
    remediation.clock.advance(1)

    (work,) = driver.works
    assert work.event == '{"a": 1}'
    assert (work.handler, work.seconds) == ("index.handler", 30.0)
    assert work.environment["TABLE"] == "t"
    assert work.environment["AWS_REGION"] == "us-east-1"
    assert work.environment["AWS_LAMBDA_FUNCTION_NAME"] == NAME
    assert work.environment["AWS_SESSION_TOKEN"]
    key = aws("sts").get_access_key_info(AccessKeyId=work.environment["AWS_ACCESS_KEY_ID"])
    assert key["Account"] == "123456789012"


def test_a_failed_function_is_retried_after_one_and_two_minutes_then_dropped(
    remediation: Remediation, driver: FakeDriver
) -> None:
    driver.on_invoke = lambda work: FAILED
    remediation.invoke()
    begun: list[float] = []
    start = remediation.clock.now()

    while remediation.clock.now() < start + 3600:
        before = len(driver.works)
        remediation.clock.advance(1)
        begun += [remediation.clock.now() - start] * (len(driver.works) - before)

    # The world sees the failure a second later.
    assert [round(second - first) for first, second in pairwise(begun)] == [61, 121]


@pytest.mark.parametrize(("answer", "errors"), [(FAILED, 1.0), (Answer(0, "", ""), 0.0)])
def test_invocations_and_errors_are_metrics(
    remediation: Remediation, driver: FakeDriver, answer: Answer, errors: float
) -> None:
    driver.on_invoke = lambda work: answer
    remediation.invoke()
    remediation.clock.advance(5, every=1)

    found = series.series_of(cloudwatch_backends["123456789012"]["us-east-1"])
    values = {
        metric: [sample.total for sample in found[series.key("AWS/Lambda", metric, FUNCTION)]]
        for metric in ("Invocations", "Errors")
    }
    assert values == {"Invocations": [1.0], "Errors": [errors]}


def test_a_function_that_returns_is_not_run_again(
    remediation: Remediation, driver: FakeDriver
) -> None:
    remediation.invoke()

    remediation.clock.advance(600, every=10)

    assert len(driver.works) == 1


@pytest.mark.parametrize(("most", "at_once"), [(None, 3), (1, 1)])
def test_no_more_run_at_once_than_the_reserved_concurrency(
    remediation: Remediation, driver: FakeDriver, most: int | None, at_once: int
) -> None:
    driver.work_seconds = 20
    if most is not None:
        remediation.api.put_function_concurrency(
            FunctionName=NAME, ReservedConcurrentExecutions=most
        )
    for _ in range(3):
        remediation.invoke()

    remediation.clock.advance(5)

    assert len(driver.works) == at_once
    remediation.clock.advance(1200)
    assert len(driver.works) == 3


def test_an_event_throttled_for_six_hours_is_dropped(
    remediation: Remediation, driver: FakeDriver
) -> None:
    driver.work_seconds = 7 * 3600
    remediation.api.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=1)
    remediation.invoke()
    remediation.invoke()

    remediation.clock.advance(12 * 3600, every=60)

    assert len(driver.works) == 1


def test_with_a_reserved_concurrency_of_zero_events_are_dropped(
    remediation: Remediation, driver: FakeDriver
) -> None:
    remediation.api.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=0)
    remediation.invoke()
    remediation.clock.advance(5)

    remediation.api.delete_function_concurrency(FunctionName=NAME)
    remediation.clock.advance(600, every=10)

    assert driver.works == []


def test_a_function_whose_role_does_not_trust_lambda_does_not_run(
    remediation: Remediation, driver: FakeDriver
) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    remediation.iam.update_assume_role_policy(
        RoleName="remediation", PolicyDocument=policy(trust | {"Action": "sts:AssumeRole"})
    )
    remediation.invoke()

    remediation.clock.advance(5)

    assert driver.works == []


def test_a_function_s_output_is_in_its_log_group(
    remediation: Remediation, driver: FakeDriver
) -> None:
    driver.on_invoke = lambda work: Answer(0, "one head\nis replaced\n", "")
    remediation.invoke()

    remediation.clock.advance(2)

    first, *said, end, report = remediation.printed()
    assert first.startswith("START RequestId: ")
    assert said == ["one head", "is replaced"]
    assert end.startswith("END RequestId: ")
    assert report.startswith("REPORT RequestId: ")


def test_a_timeout_is_logged(remediation: Remediation, driver: FakeDriver) -> None:
    driver.on_invoke = lambda work: Answer(TIMED_OUT, "looking\n", "")
    remediation.invoke()

    remediation.clock.advance(2)

    assert [
        line for line in remediation.printed() if line.endswith("timed out after 30.00 seconds")
    ]


def test_without_permission_to_log_nothing_is_logged(
    remediation: Remediation, driver: FakeDriver
) -> None:
    driver.on_invoke = lambda work: Answer(0, "words\n", "")
    remediation.allow("logs:CreateLogStream")
    remediation.invoke()

    remediation.clock.advance(2)

    assert remediation.printed() == []


def test_a_synchronous_invocation_is_refused(remediation: Remediation) -> None:
    with pytest.raises((ClientError, NotImplementedError), match="only asynchronously"):
        remediation.api.invoke(FunctionName=NAME)


class TestDeadLetters:
    """An event that a function fails on for good goes to a queue, if the role may send it."""

    @pytest.fixture
    def queue(self, remediation: Remediation) -> str:
        """A queue's URL; the function's events go there when it fails for good."""
        url = str(remediation.aws("sqs").create_queue(QueueName="dead")["QueueUrl"])
        target = {"TargetArn": QUEUE}
        remediation.api.update_function_configuration(FunctionName=NAME, DeadLetterConfig=target)
        return url

    def dead(self, remediation: Remediation, url: str) -> list[dict[str, Any]]:
        asked = {"QueueUrl": url, "MessageAttributeNames": ["All"]}
        found = remediation.aws("sqs").receive_message(**asked)
        return list(found.get("Messages", []))

    def test_after_its_retries_an_event_is_in_the_queue(
        self, remediation: Remediation, driver: FakeDriver, queue: str
    ) -> None:
        remediation.allow("sqs:SendMessage")
        driver.on_invoke = lambda work: FAILED
        remediation.invoke()

        remediation.clock.advance(120, every=5)
        assert self.dead(remediation, queue) == []
        remediation.clock.advance(120, every=5)

        (message,) = self.dead(remediation, queue)
        assert message["Body"] == '{"a": 1}'
        said = message["MessageAttributes"]["ErrorMessage"]["StringValue"]
        assert said == "[ERROR] KeyError: 'x'"

    def test_without_permission_it_is_lost(
        self, remediation: Remediation, driver: FakeDriver, queue: str
    ) -> None:
        driver.on_invoke = lambda work: FAILED
        remediation.invoke()

        remediation.clock.advance(300, every=5)

        assert self.dead(remediation, queue) == []

    def test_a_failure_destination_gets_a_record_after_fewer_retries(
        self, remediation: Remediation, driver: FakeDriver
    ) -> None:
        remediation.allow("sqs:SendMessage")
        url = str(remediation.aws("sqs").create_queue(QueueName="dead")["QueueUrl"])
        for retries in (2, 0):
            remediation.api.put_function_event_invoke_config(
                FunctionName=NAME,
                MaximumRetryAttempts=retries,
                DestinationConfig={"OnFailure": {"Destination": QUEUE}},
            )
        driver.on_invoke = lambda work: FAILED
        remediation.invoke()

        remediation.clock.advance(5)

        (message,) = self.dead(remediation, url)
        record = json.loads(message["Body"])
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["requestPayload"] == {"a": 1}
        assert len(driver.works) == 1

    def test_a_function_that_may_not_run_keeps_its_events_there(
        self, remediation: Remediation, driver: FakeDriver, queue: str
    ) -> None:
        remediation.allow("sqs:SendMessage")
        remediation.api.put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=0)
        remediation.invoke()

        remediation.clock.advance(2)

        assert len(self.dead(remediation, queue)) == 1
        assert driver.works == []


def test_a_bucket_invokes_its_function_if_its_policy_allows_it(
    remediation: Remediation, driver: FakeDriver
) -> None:
    s3, bucket = remediation.aws("s3"), {"Bucket": "documents"}
    s3.create_bucket(**bucket)
    one = {"LambdaFunctionArn": ARN, "Events": ["s3:ObjectCreated:*"]}
    told = {"NotificationConfiguration": {"LambdaFunctionConfigurations": [one]}}
    with pytest.raises(ClientError, match="Unable to validate"):
        s3.put_bucket_notification_configuration(**bucket, **told)

    remediation.permit(Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::documents")
    s3.put_bucket_notification_configuration(**bucket, **told)
    s3.put_object(**bucket, Key="input/a.pdf", Body=b"one")
    remediation.clock.advance(2)

    (work,) = driver.works
    assert json.loads(work.event)["Records"][0]["s3"]["object"]["key"] == "input/a.pdf"
