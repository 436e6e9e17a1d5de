"""E-mail subscriptions: pending until they are confirmed."""

from collections.abc import Callable
from typing import Any

import pytest

Clients = Callable[[str], Any]


@pytest.fixture
def topic(aws: Clients) -> str:
    return str(aws("sns").create_topic(Name="alarms")["TopicArn"])


def test_an_email_subscription_is_pending_until_it_is_confirmed(aws: Clients, topic: str) -> None:
    sns = aws("sns")
    made = sns.subscribe(
        TopicArn=topic, Protocol="email", Endpoint="a@example.com", ReturnSubscriptionArn=True
    )
    arn = made["SubscriptionArn"]

    (listed,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"] == "PendingConfirmation"
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert attributes["PendingConfirmation"] == "true"

    sns.confirm_subscription(TopicArn=topic, Token=arn.rpartition(":")[2])

    (listed,) = sns.list_subscriptions()["Subscriptions"]
    assert listed["SubscriptionArn"] == arn


def test_a_pending_subscription_has_no_arn_unless_requested(aws: Clients, topic: str) -> None:
    made = aws("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")

    assert made["SubscriptionArn"] == "pending confirmation"


def test_a_queues_subscription_needs_no_confirmation(aws: Clients, topic: str) -> None:
    queue = "arn:aws:sqs:us-east-1:123456789012:q"
    arn = aws("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)["SubscriptionArn"]

    (listed,) = aws("sns").list_subscriptions()["Subscriptions"]
    assert listed["SubscriptionArn"] == arn
