"""EC2 knows of what was just created everywhere only after a while. Waits for that.

A command that names it may be answered as if it did not exist, or with how it was before. One is to
ask again, after a couple of seconds at first, and then after longer ones ("Eventual consistency in
the Amazon EC2 API": docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html).
"""

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import ClientError

from common.clients import error_code
from common.waiting import Clock, Seen, wait_for

T = TypeVar("T")

KNOWN_SECONDS, FIRST_WAIT, GROWING = 60.0, 2.0, 2.0
NO_GROUP, NO_INSTANCE = "InvalidGroup.NotFound", "InvalidInstanceID.NotFound"
NO_KEY_PAIR = "InvalidKeyPair.NotFound"


def once_known(call: Callable[[], T], *codes: str, clock: Clock) -> T:
    """Call until EC2 knows what the call names, for a minute at most; return the call's result.

    Raises ClientError: the last of these codes, or at once any other.
    """
    deadline = clock.now() + KNOWN_SECONDS

    def look() -> Seen[tuple[T]]:
        try:
            return Seen((call(),), "")
        except ClientError as error:
            if error_code(error) not in codes or clock.now() >= deadline:
                raise
            return Seen(None, error_code(error))

    (result,) = once_seen("what was just created", look, clock=clock)
    return result


def once_seen(what: str, look: Callable[[], Seen[T]], *, clock: Clock, hint: str = "") -> T:
    """Look until EC2 shows what was just changed, for a minute at most; raises TimedOut."""
    return wait_for(
        what,
        look,
        clock=clock,
        seconds=KNOWN_SECONDS,
        every=FIRST_WAIT,
        growing=GROWING,
        hint=hint,
    )
