"""A long poll of SQS lets other requests pass: it waits without the world's lock.

"Amazon SQS short and long polling" (docs.aws.amazon.com/AWSSimpleQueueService/latest/
SQSDeveloperGuide/sqs-short-and-long-polling.html): a request waits for a message for up to 20
seconds. moto waits too, within its request, which here would keep all of AWS waiting.
"""

from threading import Condition
from typing import Any

from moto.sqs.models import Queue

from localcloud.world import World, current

LOOKS_EVERY = 0.1  # seconds


def wait_for_messages(queue: Any, timeout: float) -> None:
    """Wait a moment; what is in the queue then is looked at by the caller."""
    others = Condition(current().lock)
    with others:
        others.wait(LOOKS_EVERY)


def install() -> None:
    """Replace what moto does between two looks at a queue."""
    Queue.wait_for_messages = wait_for_messages


def attach(world: World) -> None:
    """Nothing happens here by itself."""
