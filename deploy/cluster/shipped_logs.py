"""The log lines that an instance shipped, available also after it is terminated.

Reads AWS (CloudWatch Logs): the stream that node/logs/shipper.py writes, named after the instance.
"""

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.environment import Environment
from deploy.cluster.instance_output import printable
from deploy.cluster.systemd_journal import LogLine
from node.contract import LINE_MESSAGE, LINE_UNIT, LOG_GROUP, ROLES


def shipped_lines(
    clients: Clients,
    environment: Environment,
    instance_id: str,
    *,
    units: tuple[str, ...],
    count: int,
    since: float = 0.0,
) -> tuple[LogLine, ...]:
    """Return the newest lines of these units, ``count`` at most, none older than ``since``.

    ``since`` is in seconds since the epoch; CloudWatch Logs keeps milliseconds.
    """
    found: list[LogLine] = []
    names = {unit.removesuffix(".service") for unit in units}
    for line in _backwards(clients, environment, instance_id):
        if len(found) >= count or line.at < since:
            break
        if line.unit in names:
            found.append(line)
    return tuple(reversed(found))


def _backwards(clients: Clients, environment: Environment, instance_id: str) -> Iterator[LogLine]:
    """Yield the stream's lines, newest first; none when there is no stream.

    A stream ends when the same token is returned again; a page before that may be empty:
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
    """
    for role in ROLES:
        where = {
            "logGroupName": LOG_GROUP.format(environment=environment.name, role=role),
            "logStreamName": instance_id,
            "startFromHead": False,
        }
        token, page = "", _page(clients, where)
        while page and page["nextBackwardToken"] != token:
            token = page["nextBackwardToken"]
            yield from (_line(event) for event in reversed(page["events"]))
            page = _page(clients, {**where, "nextToken": token})


def _page(clients: Clients, where: dict[str, Any]) -> dict[str, Any]:
    with translated(f"reading the shipped logs of {where['logStreamName']}"):
        try:
            return dict(clients("logs").get_log_events(**where))
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return {}
            raise


def _line(event: dict[str, Any]) -> LogLine:
    try:
        entry = json.loads(event["message"])
        unit, message = str(entry[LINE_UNIT]), str(entry[LINE_MESSAGE])
    except (KeyError, TypeError, ValueError):
        unit, message = "", str(event["message"])
    return LogLine(event["timestamp"] / 1000, unit, printable(message), cursor="")
