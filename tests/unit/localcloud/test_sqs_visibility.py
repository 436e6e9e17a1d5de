"""How long SQS hides a message: 12 hours from when it was received, however long it had waited."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.sqs import models

from localcloud.patches import sqs_visibility
from tests.unit.documents.conftest import SetClock

Clients = Callable[[str], Any]
HOUR = 3600


def test_the_time_of_a_message_counts_from_its_last_receive(
    aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs, time = aws("sqs"), SetClock()
    for module in (models, sqs_visibility):
        monkeypatch.setattr(module, "unix_time_millis", lambda: time.now() * 1000)
    url = sqs.create_queue(QueueName="documents")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="waits")

    for _ in range(2):
        time.sleep(13 * HOUR)
        (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=120)["Messages"]
        hidden = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
        time.sleep(60)

        with pytest.raises(ClientError, match="parameter VisibilityTimeout is invalid") as refusal:
            sqs.change_message_visibility(**hidden, VisibilityTimeout=12 * HOUR - 59)
        assert refusal.value.response["Error"]["Code"] == "InvalidParameterValue"

        sqs.change_message_visibility(**hidden, VisibilityTimeout=12 * HOUR - 60)
        time.sleep(12 * HOUR - 61)
        assert "Messages" not in sqs.receive_message(QueueUrl=url)
