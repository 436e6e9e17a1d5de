"""SQS hides a message for 12 hours at most, from when it was received.

"Amazon SQS visibility timeout" (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/
sqs-visibility-timeout.html): the maximum is 12 hours from the time that SQS receives the
ReceiveMessage request, and to extend a timeout does not reset it. ChangeMessageVisibility refuses a
longer time. moto counts from when a message was sent, so that one which has waited for long could
not be hidden any more.
"""

from functools import cache
from typing import Any

from moto.core.utils import unix_time_millis
from moto.sqs.models import Message, SQSBackend

from localcloud.world import World


@cache
def install() -> None:
    """Have moto count from the last receive."""
    mark_received = Message.mark_received
    change_visibility = SQSBackend.change_message_visibility

    def _received(self: Any, visibility_timeout: int | None = None) -> None:
        mark_received(self, visibility_timeout)
        self.received_at = int(unix_time_millis())

    def _change(self: Any, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
        found = [
            message
            for message in self.get_queue(queue_name)._messages
            if message.had_receipt_handle(receipt_handle)
        ]
        sent = [message.sent_timestamp for message in found]
        for message in found:
            message.sent_timestamp = message.received_at
        try:
            change_visibility(self, queue_name, receipt_handle, visibility_timeout)
        finally:
            for message, timestamp in zip(found, sent, strict=True):
                message.sent_timestamp = timestamp

    Message.mark_received = _received
    SQSBackend.change_message_visibility = _change


def attach(world: World) -> None:
    """Nothing happens here by itself."""
