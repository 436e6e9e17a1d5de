"""The head's heartbeat as CloudWatch has it, minute by minute. Touches AWS, changes nothing.

All times are AWS's; a deployer's clock may differ by minutes: see ``Clients.ahead``.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from common.clients import Clients, translated
from common.environment import Environment
from node.contract import ENVIRONMENT_DIMENSION, HEAD_READY, HEAD_STANDING_BY

MINUTE = 60


@dataclass(frozen=True)
class Heartbeat:
    """The minutes (as seconds since the epoch) with a metric, and the highest value of each."""

    minutes: dict[int, float]

    def missing(self, now: float) -> tuple[int, ...]:
        """Return the minutes without a heartbeat since the first one, except the current minute."""
        if not self.minutes:
            return ()
        current = int(now) // MINUTE * MINUTE
        expected = range(min(self.minutes), current, MINUTE)
        return tuple(minute for minute in expected if minute not in self.minutes)

    def is_steady(self, now: float) -> bool:
        """The newest heartbeat is good, and no two consecutive minutes lack one.

        A heartbeat every 60 s may skip one minute and come twice in the next. The last minute may
        lack it even if none was skipped: it is due 60 s after the one before, and CloudWatch
        returns it some seconds later.
        """
        missing = self.missing(now)
        silent = [m for m in missing if m + MINUTE in missing]
        newest = self.minutes.get(max(self.minutes, default=0), 0.0)
        return newest >= 1 and not silent


def heartbeat(clients: Clients, environment: Environment, *, since: float, now: float) -> Heartbeat:
    """Return the HeadReady values that arrived since then."""
    return Heartbeat(_highest(clients, environment, HEAD_READY, since, now))


def stands_by(clients: Clients, environment: Environment, *, now: float) -> bool | None:
    """Say whether a head has said in this minute or the last that it stands by.

    None when no head has sent anything: without a leader, and from images that do not send it.
    """
    said = _highest(clients, environment, HEAD_STANDING_BY, now - MINUTE, now).values()
    return max(said) >= 1 if said else None


def ready_count(clients: Clients, environment: Environment, *, since: float, now: float) -> int:
    """Return how many times a head has reported ready, from that minute on."""
    with translated("reading HeadReady"):
        found = clients("cloudwatch").get_metric_statistics(
            **_metric(environment, HEAD_READY, since, now), Statistics=["Sum"]
        )
    return round(sum(float(point["Sum"]) for point in found["Datapoints"]))


def _highest(
    clients: Clients, environment: Environment, name: str, since: float, now: float
) -> dict[int, float]:
    """Return the highest value of each minute that has one."""
    with translated(f"reading {name}"):
        found = clients("cloudwatch").get_metric_statistics(
            **_metric(environment, name, since, now), Statistics=["Maximum"]
        )
    return {int(p["Timestamp"].timestamp()): float(p["Maximum"]) for p in found["Datapoints"]}


def _metric(environment: Environment, name: str, since: float, now: float) -> dict[str, object]:
    first = int(since) // MINUTE * MINUTE
    return {
        "Namespace": environment.names.metric_namespace,
        "MetricName": name,
        "Dimensions": [{"Name": ENVIRONMENT_DIMENSION, "Value": environment.name}],
        "StartTime": datetime.fromtimestamp(first, UTC),
        "EndTime": datetime.fromtimestamp(int(now) // MINUTE * MINUTE + MINUTE, UTC),
        "Period": MINUTE,
    }
