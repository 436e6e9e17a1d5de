"""Set an alarm to ALARM and check that the topic delivers it. Touches AWS.

A temporary queue subscribes to the topic. The queue and the subscription are always deleted, and
the alarm's state is restored; what a killed test left of them, the next one removes. Subscribers
get the test too: its reason says so. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import uuid4

from common.clients import Clients, translated
from common.errors import PipelineError, Unanswered
from common.waiting import Clock, Seen, wait_for

REASON = "Test by `invoke verify`: nothing is wrong."
TOO_OLD = 3600.0  # seconds; no test takes this long


@dataclass(frozen=True)
class Queue:
    """The queue that SNS delivers to during the test."""

    url: str
    arn: str


def deliver_alarm(
    clients: Clients, topic_arn: str, alarm: str, *, clock: Clock, seconds: float = 60
) -> float:
    """Set the alarm to ALARM and return after how many seconds it was delivered.

    Raises PipelineError when it is in ALARM already, TimedOut when nothing is delivered.
    """
    state = _state(clients, alarm)
    if state == "ALARM":
        raise PipelineError(f"{alarm} is in ALARM already", hint="see its page in docs/runbooks")
    with suppress(Unanswered):  # what is left may stay until the next test; a queue may be gone
        _remove_left(clients, topic_arn, now=clock.now())
    with _queue(clients, topic_arn) as queue, _subscription(clients, topic_arn, queue):
        begun = clock.now()
        try:
            _set_state(clients, alarm, "ALARM")
            wait_for(
                f"{alarm} in {topic_arn}",
                lambda: _look(clients, queue, alarm),
                clock=clock,
                seconds=seconds,
                every=0.5,
                hint="check the topic's policy and the alarm's actions",
            )
            return clock.now() - begun
        finally:
            _set_state(clients, alarm, state)


def queues(clients: Clients, topic: str) -> tuple[str, ...]:
    """Return the URLs of the queues that tests of a topic's alarms made and have not deleted.

    Of more than 1,000, SQS names that many: docs.aws.amazon.com/AWSSimpleQueueService/latest/
    APIReference/API_ListQueues.html
    """
    prefix = f"{topic}-verify-"
    with translated(f"looking for queues {prefix}*"):
        return tuple(clients("sqs").list_queues(QueueNamePrefix=prefix).get("QueueUrls", []))


def _remove_left(clients: Clients, topic_arn: str, *, now: float) -> None:
    """Remove the queues that killed tests left, and their subscriptions."""
    for url in queues(clients, topic_arn.rsplit(":", 1)[-1]):
        with translated(f"reading {url}"):
            found = clients("sqs").get_queue_attributes(
                QueueUrl=url, AttributeNames=["CreatedTimestamp"]
            )["Attributes"]
        if now - float(found["CreatedTimestamp"]) > TOO_OLD:
            queue = Queue(url, _queue_arn(topic_arn, url.rsplit("/", 1)[-1]))
            # Subscribing what is subscribed changes nothing, and tells which subscription it is.
            with _subscription(clients, topic_arn, queue):
                pass
            _delete_queue(clients, url)


def _look(clients: Clients, queue: Queue, alarm: str) -> Seen[bool]:
    with translated(f"reading {queue.url}"):
        found = clients("sqs").receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10)
    bodies = [json.loads(message["Body"]) for message in found.get("Messages", [])]
    arrived = any(body.get("AlarmName") == alarm and _is_test(body) for body in bodies)
    return Seen(arrived or None, f"{len(bodies)} other messages" if bodies else "no message")


def _is_test(body: dict[str, str]) -> bool:
    return body.get("NewStateValue") == "ALARM" and REASON in body.get("NewStateReason", "")


def _state(clients: Clients, alarm: str) -> str:
    with translated(f"reading the alarm {alarm}"):
        found = clients("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
    if not found:
        raise PipelineError(f"there is no alarm {alarm}", hint="invoke deploy")
    return str(found[0]["StateValue"])


def _set_state(clients: Clients, alarm: str, state: str) -> None:
    with translated(f"setting the alarm {alarm} to {state}"):
        clients("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue=state, StateReason=REASON)


@contextmanager
def _queue(clients: Clients, topic_arn: str) -> Iterator[Queue]:
    name = f"{topic_arn.rsplit(':', 1)[-1]}-verify-{uuid4().hex[:8]}"
    arn = _queue_arn(topic_arn, name)
    with translated(f"creating the queue {name}"):
        url = clients("sqs").create_queue(
            QueueName=name, Attributes={"Policy": json.dumps(_policy(arn, topic_arn))}
        )["QueueUrl"]
    try:
        yield Queue(url, arn)
    finally:
        _delete_queue(clients, url)


def _delete_queue(clients: Clients, url: str) -> None:
    with translated(f"deleting the queue {url}"):
        clients("sqs").delete_queue(QueueUrl=url)


def _queue_arn(topic_arn: str, name: str) -> str:
    _, partition, _, region, account, _ = topic_arn.split(":", 5)
    return f"arn:{partition}:sqs:{region}:{account}:{name}"


@contextmanager
def _subscription(clients: Clients, topic_arn: str, queue: Queue) -> Iterator[None]:
    with translated(f"subscribing to {topic_arn}"):
        arn = clients("sns").subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=queue.arn,
            Attributes={"RawMessageDelivery": "true"},
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
    try:
        yield
    finally:
        with translated(f"unsubscribing from {topic_arn}"):
            clients("sns").unsubscribe(SubscriptionArn=arn)


def _policy(queue_arn: str, topic_arn: str) -> dict[str, object]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
            }
        ],
    }
