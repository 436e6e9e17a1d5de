"""The queue between the function that S3 notifies and the consumers. Touches SQS.

Messages come at least once. One that is being worked on is kept hidden for another while, again
and again; one that is not deleted comes back, and after too many times goes to the dead-letter
queue (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-
timeout.html). Waits grow, so that a maxReceiveCount of 20 bridges more than two hours; for a longer
one there is no message (ingest.py). The control table knows of every object all the same.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from common.clients import error_code
from documents.errors import Unavailable
from documents.identity import ObjectRef

# The longest that SQS waits for a message, and that it hides one: in seconds, from the receive on.
LONG_POLL = 20
MOST_HIDDEN = 43_200
# Less by what a request may take: SQS refuses a longer time, and does not shorten it.
MARGIN = 30
# The longest that a message waits for another attempt.
LONGEST_WAIT = 900.0
GONE = ("ReceiptHandleIsInvalid", "MessageNotInflight")


@dataclass(frozen=True)
class Message:
    """A message, and how often it was received; ``ref`` is None when it names no document.

    ``asked_at``: when it was asked for, on the queue's clock.
    """

    receipt: str
    ref: ObjectRef | None
    receives: int = 1
    asked_at: float = 0.0


class Queue:
    """One queue of messages that each name an object; ``clock`` is in seconds and only grows."""

    def __init__(self, sqs: Any, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._sqs, self._url, self._clock = sqs, url, clock

    def send(self, ref: ObjectRef) -> None:
        """Ask that an object be looked at."""
        body = json.dumps({"bucket": ref.bucket, "key": ref.key})
        with _answering():
            self._sqs.send_message(QueueUrl=self._url, MessageBody=body)

    def waiting(self) -> int:
        """Return about how many messages wait that no one works on."""
        name = "ApproximateNumberOfMessages"
        with _answering():
            found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
        return int(found["Attributes"][name])

    def receive(self, hidden: float, wait: int = LONG_POLL) -> Message | None:
        """Return the next message, hidden from others for so many seconds; None if none came."""
        asked_at = self._clock()
        with _answering():
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=1,
                WaitTimeSeconds=wait,
                VisibilityTimeout=int(hidden),
                AttributeNames=["ApproximateReceiveCount"],
            )
        for found in answer.get("Messages", ()):
            receives = int(found["Attributes"]["ApproximateReceiveCount"])
            return Message(found["ReceiptHandle"], _ref(found["Body"]), receives, asked_at)
        return None

    def hide(self, message: Message, seconds: float) -> None:
        """Let a message come back after so many seconds from now, or in 12 hours at most."""
        left = MOST_HIDDEN - MARGIN - (self._clock() - message.asked_at)
        if left <= 0:
            return
        with _answering():
            self._sqs.change_message_visibility(
                QueueUrl=self._url,
                ReceiptHandle=message.receipt,
                VisibilityTimeout=int(max(0, min(seconds, left))),
            )

    def delete(self, message: Message) -> None:
        """Let a message not come back."""
        with _answering():
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message.receipt)


def _ref(body: str) -> ObjectRef | None:
    try:
        said = json.loads(body)
        ref = ObjectRef(str(said["bucket"]), str(said["key"]))
    except (ValueError, KeyError, TypeError):
        return None
    return ref if ref.is_document else None


@contextmanager
def _answering() -> Iterator[None]:
    """Translate errors; a message that is no longer ours to change is no error."""
    try:
        yield
    except ClientError as error:
        if not _is_gone(error):
            raise Unavailable(f"SQS answered {error_code(error)}") from error
    except BotoCoreError as error:
        raise Unavailable(f"SQS: {error}") from error


def _is_gone(error: ClientError) -> bool:
    """Say whether a message came back meanwhile, or was deleted; its receipt is worth nothing then.

    SQS also answers InvalidParameterValue for a time that is too long. Some of its codes begin with
    AWS.SimpleQueueService (docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/
    API_ChangeMessageVisibility.html).
    """
    code = error_code(error).rpartition(".")[2]
    if code == "InvalidParameterValue":
        return "parameter ReceiptHandle " in error.response["Error"]["Message"]
    return code in GONE
