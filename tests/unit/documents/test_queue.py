"""A queue hides messages for as long as SQS does, and no error of another kind is passed over."""

import pytest
from moto.sqs import models

from documents.errors import Unavailable
from documents.identity import ObjectRef
from documents.queue import Message, Queue
from localcloud.patches import sqs_visibility
from tests.unit.answers import Answers, refused
from tests.unit.documents.conftest import Clients, SetClock
from tests.unit.documents.pipeline import QUEUE

REF = ObjectRef("bucket", "input/a.txt")
HOUR = 3600


@pytest.fixture
def queue(aws: Clients, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """A queue in which one message has waited for a day; the clock is that of SQS too."""
    sqs_visibility.install()
    for module in (models, sqs_visibility):
        monkeypatch.setattr(module, "unix_time_millis", lambda: clock.now() * 1000)
    found = Queue(aws("sqs"), QUEUE, clock.now)
    found.send(REF)
    clock.sleep(24 * HOUR)
    return found


def received(queue: Queue) -> Message:
    message = queue.receive(120, wait=0)
    assert message
    return message


@pytest.mark.parametrize("worked", [0, 5, 110])
def test_the_longest_wait_ends_twelve_hours_after_the_receive(
    queue: Queue, clock: SetClock, worked: int
) -> None:
    message = received(queue)
    clock.sleep(worked)

    queue.hide(message, 12 * HOUR)

    clock.sleep(12 * HOUR - worked - 31)
    assert queue.receive(120, wait=0) is None
    clock.sleep(2)
    assert received(queue).receives == 2


def test_a_message_that_is_worked_on_stays_hidden_for_twelve_hours(
    queue: Queue, clock: SetClock
) -> None:
    message = received(queue)

    for _ in range(12 * 60 - 1):
        clock.sleep(60)
        queue.hide(message, 120)
        assert queue.receive(120, wait=0) is None
    clock.sleep(60)

    assert received(queue).receives == 2


def test_after_twelve_hours_a_message_is_not_changed_any_more(
    queue: Queue, clock: SetClock
) -> None:
    message = received(queue)
    clock.sleep(12 * HOUR)
    again = received(queue)

    queue.hide(message, 600)

    clock.sleep(121)
    assert received(queue).receives == again.receives + 1


TOO_LONG = (
    "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for "
    "the message is beyond the limit [43200 seconds]"
)
CAME_BACK = (
    "Value AQEB for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not "
    "available for visibility timeout change."
)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidParameterValue", CAME_BACK),
        ("ReceiptHandleIsInvalid", "The input receipt handle is invalid."),
        ("MessageNotInflight", ""),
        ("AWS.SimpleQueueService.MessageNotInflight", ""),
    ],
)
def test_a_message_that_came_back_meanwhile_is_no_error(code: str, message: str) -> None:
    sqs = Answers(change_message_visibility=refused(code, message))
    Queue(sqs("sqs"), QUEUE, lambda: 0.0).hide(Message("AQEB", REF), 60)

    assert len(sqs.requests) == 1


def test_a_time_that_sqs_refuses_is_an_error() -> None:
    sqs = Answers(change_message_visibility=refused("InvalidParameterValue", TOO_LONG))

    with pytest.raises(Unavailable, match="SQS answered InvalidParameterValue"):
        Queue(sqs("sqs"), QUEUE, lambda: 0.0).hide(Message("AQEB", REF), 60)
