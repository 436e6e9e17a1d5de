"""Where a probe asks: clients, a name of its own, and what it must remove again."""

import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

from botocore.exceptions import ClientError

from common.clients import Clients, error_code
from common.error_hints import (
    ACCOUNT,
    CAPACITY,
    CLOCK,
    CREDENTIALS,
    EXPIRED,
    LIMIT,
    OUTAGE,
    PERMISSIONS,
    hint_for,
)
from common.errors import Interrupted, Unanswered
from common.waiting import Clock, Seen, wait_for

T = TypeVar("T")
RUN_TAG = "raykiln:probe"
SECONDS = 600.0  # as long as anything here may take
# An answer with these says something of the account, its policies or of that day, not of what AWS
# does with such a request.
NOT_ASKED = frozenset({CREDENTIALS, EXPIRED, CLOCK, ACCOUNT, PERMISSIONS, LIMIT, CAPACITY, OUTAGE})


@dataclass
class Place:
    """An account and region, in which everything of one probe has the name ``name`` and its tag.

    ``image_id`` is that of all instances. ``given`` are an environment's tags, which all that can
    has too: an account may demand some. Leaving the context removes what was made, the last first,
    whatever happened; what cannot be removed is named in ``left``. ``notes`` are figures that no
    assumption is about. Once ``is_interrupted``, the next wait raises Interrupted, except while
    what was made is removed.
    """

    clients: Clients
    clock: Clock
    name: str
    image_id: str
    given: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_interrupted: Callable[[], bool] = lambda: False
    _undo: ExitStack = field(default_factory=ExitStack)
    _leaves: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leaves = True
        self._undo.close()

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags of everything that can have some."""
        tags = {**self.given, "Name": self.name, RUN_TAG: self.name}
        return [{"Key": key, "Value": value} for key, value in tags.items()]

    def tagged(self, *kinds: str) -> list[dict[str, Any]]:
        """Return EC2's TagSpecifications for these kinds of resources."""
        return [{"ResourceType": kind, "Tags": self.tags} for kind in kinds]

    def afterwards(
        self,
        what: str,
        remove: Callable[[], object],
        *,
        gone: Callable[[], Seen[bool]] | None = None,
    ) -> None:
        """Have ``remove`` called at the end, and wait until it is ``gone``, where that is asked.

        ``what`` is left where AWS refuses its removal to the last.
        """

        def undo() -> None:
            def removed() -> Seen[bool]:
                code = code_of(remove)
                is_so = code == "done" or "NotFound" in code or "NoSuch" in code
                return Seen(True if is_so else None, code)

            try:
                self.until(f"the removal of {what}", removed, every=5.0)
                if gone:
                    self.until(f"the end of {what}", gone)
            except Exception as error:  # the rest must go all the same
                self.left.append(f"{what}: {error}")

        self._undo.callback(undo)

    def until(self, what: str, look: Callable[[], Seen[T]], *, every: float = 1.0) -> T:
        """Wait for what ``look`` sees; raises TimedOut after ten minutes, and Interrupted."""

        def uninterrupted() -> Seen[T]:
            if self.is_interrupted() and not self._leaves:
                raise Interrupted(f"interrupted while it waited for {what}")
            return look()

        return wait_for(what, uninterrupted, clock=self.clock, seconds=SECONDS, every=every)

    def hears(self, host: str, port: int) -> bool:
        """Say whether a server at a name or an address says something within two seconds."""
        with suppress(OSError), socket.create_connection((host, port), timeout=2.0) as connection:
            return connection.recv(1) != b""
        return False


def answer_to(call: Callable[[], object]) -> str:
    """Return the code with which AWS refuses a call, or ``done``.

    Raises Unanswered where that is the account's refusal, or no answer at all.
    """
    code = code_of(call)
    if (hint := hint_for(code)) in NOT_ASKED:
        raise Unanswered(f"AWS answered {code}", hint=hint)
    return code


def code_of(call: Callable[[], object]) -> str:
    """Return the code with which AWS refuses a call, whyever, or ``done``."""
    try:
        call()
    except ClientError as error:
        return error_code(error)
    return "done"
