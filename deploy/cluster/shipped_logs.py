"""The log lines that an instance shipped, available also after it is terminated.

Reads AWS (CloudWatch Logs): the stream that node/logs/shipper.py writes, named after the instance.
"""

import json
from collections.abc import Iterator

from common.clients import Clients, translated
from common.environment import Environment
from deploy.cluster.instance_output import printable
from deploy.cluster.log_events import LogEvent, newest_events
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
    """Yield the stream's lines, newest first; none when there is no stream."""
    for role in ROLES:
        group = LOG_GROUP.format(environment=environment.name, role=role)
        with translated(f"reading the shipped logs of {instance_id}"):
            yield from map(_line, newest_events(clients, group, instance_id))


def _line(event: LogEvent) -> LogLine:
    try:
        entry = json.loads(event.message)
        unit, message = str(entry[LINE_UNIT]), str(entry[LINE_MESSAGE])
    except (KeyError, TypeError, ValueError):
        unit, message = "", event.message
    return LogLine(event.at, unit, printable(message), cursor="")
