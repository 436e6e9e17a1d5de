"""The events of a log stream, newest first. Reads AWS (CloudWatch Logs)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code


@dataclass(frozen=True)
class LogEvent:
    """What was logged, and when, in seconds since the epoch."""

    at: float
    message: str


def newest_events(
    clients: Clients, group: str, stream: str, at_once: int | None = None
) -> Iterator[LogEvent]:
    """Yield the stream's events, newest first; none when there is no stream.

    ``at_once`` is how many a request asks for; CloudWatch Logs returns fewer, or none, as it likes.
    A stream ends when the same token is returned again:
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html

    Raises ClientError.
    """
    where: dict[str, Any] = {
        "logGroupName": group,
        "logStreamName": stream,
        "startFromHead": False,
        **({"limit": at_once} if at_once else {}),
    }
    token, page = "", _page(clients, where)
    while page and page["nextBackwardToken"] != token:
        token = page["nextBackwardToken"]
        for event in reversed(page["events"]):
            yield LogEvent(event["timestamp"] / 1000, str(event["message"]))
        page = _page(clients, {**where, "nextToken": token})


def _page(clients: Clients, where: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(clients("logs").get_log_events(**where))
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            return {}
        raise
