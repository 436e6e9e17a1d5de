"""A page of log events may be empty although there are more.

Follows https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html:
"A returned page might only be partially full, or even empty", and there may be more until the same
token is returned again. startTime makes that rarer, and so does reading from the head. Here the
first page is empty where neither is asked for; moto's pages are always full.
"""

from functools import cache
from typing import Any

from moto.logs.models import LogStream

from localcloud.world import World


@cache
def install() -> None:
    """Put an empty page before the newest events."""
    read = LogStream.get_log_events

    def get_log_events(
        self: Any,
        start_time: int | None,
        end_time: int | None,
        limit: int | None,
        next_token: str | None,
        start_from_head: bool,
    ) -> tuple[list[dict[str, Any]], str | None, str | None]:
        if not (start_time or next_token or start_from_head):
            count = len(self.events)
            return [], f"b/{count:056d}", f"f/{count - 1:056d}"
        found: tuple[list[dict[str, Any]], str | None, str | None] = read(
            self, start_time, end_time, limit, next_token, start_from_head
        )
        return found

    LogStream.get_log_events = get_log_events


def attach(world: World) -> None:
    """Nothing happens here by itself."""
