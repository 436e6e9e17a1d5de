"""What a cluster costs as it runs now, by the hour and by the month. Pure: no AWS.

List prices, on demand. Spot instances are counted at the on-demand price, which theirs never
exceeds unless a maximum says otherwise. Traffic, requests, logs and storage in S3 are not counted.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/how-spot-instances-work.html
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from common.environment import Environment
from common.errors import Refused
from deploy.cluster.billed import Billed, DiskVolume
from deploy.cluster.instances import Instance
from deploy.cluster.state import ClusterState
from deploy.plan.price_table import Prices, prices_of
from deploy.plan.prices import HOURS, volume_month
from deploy.release.settings import Volume
from node.contract import SPOT

COLUMNS = ("what", "runs", "$ an hour", "$ a month")


@dataclass(frozen=True)
class Line:
    """Some of what runs; ``hour`` is dollars, None where there is no price."""

    what: str
    runs: str
    hour: float | None
    at_most: bool = False

    @property
    def month(self) -> float | None:
        """Return the dollars a month of 730 h."""
        return None if self.hour is None else self.hour * HOURS

    @property
    def row(self) -> tuple[str, ...]:
        """Return it as a row of the table."""
        return self.what, self.runs, *_dollars(self.hour, self.at_most)


@dataclass(frozen=True)
class RunningCost:
    """All of it, at the prices of a date."""

    environment: str
    region: str
    date: str
    lines: tuple[Line, ...]
    paused: bool

    @property
    def hour(self) -> float:
        """Return the dollars an hour of everything that has a price."""
        return sum(line.hour or 0.0 for line in self.lines)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Return what has no price."""
        return tuple(f"{line.what}: {line.runs}" for line in self.lines if line.hour is None)

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Return the table, the total last."""
        at_most = any(line.at_most for line in self.lines)
        total = ("total", "paused" if self.paused else "", *_dollars(self.hour, at_most))
        return (*(line.row for line in self.lines), total)

    @property
    def note(self) -> str:
        """Return what a reader of the table must know."""
        words = (
            f"List prices of {self.region}, {self.date}. Without traffic, requests, logs and S3."
        )
        if any(line.at_most for line in self.lines):
            words += " Spot is counted at the on-demand price."
        if self.unknown:
            words += f" Without a price: {'; '.join(self.unknown)}."
        return words

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "environment": self.environment,
            "region": self.region,
            "prices_of": self.date,
            "paused": self.paused,
            "lines": [{**asdict(line), "month": line.month} for line in self.lines],
            "hour": self.hour,
            "month": self.hour * HOURS,
            "unknown": list(self.unknown),
        }


def running_cost(environment: Environment, state: ClusterState, billed: Billed) -> RunningCost:
    """Return what runs and its cost; raises Refused where there are no prices of the region."""
    prices = prices_of(environment.region)
    if prices is None:
        raise Refused(
            f"there are no prices of {environment.region}",
            hint=f"invoke prices --region {environment.region}",
        )
    return RunningCost(
        environment.name,
        environment.region,
        prices.date,
        (
            *_instances("heads", state.heads, prices),
            *_groups(state.workers, prices),
            *_volumes(billed.volumes, prices),
            *_network(billed, prices),
            *_redis(environment, billed, prices),
        ),
        paused=bool(state.foundation and state.foundation.is_paused),
    )


def _groups(workers: Iterable[Instance], prices: Prices) -> Iterator[Line]:
    found = tuple(workers)
    for group in sorted({worker.group for worker in found}):
        yield from _instances(f"group {group}", [w for w in found if w.group == group], prices)


def _instances(what: str, instances: Iterable[Instance], prices: Prices) -> Iterator[Line]:
    """Yield a line for each type and market; what is shutting down is charged no more.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html
    """
    counts = Counter((one.type, one.market) for one in instances if one.is_there)
    for (kind, market), count in sorted(counts.items()):
        price, spot = prices.hour.get(kind), market == SPOT
        runs = f"{count} {kind}{' on spot' if spot else ''}"
        yield Line(what, runs, None if price is None else count * price, at_most=spot)


def _volumes(volumes: tuple[DiskVolume, ...], prices: Prices) -> Iterator[Line]:
    if not volumes:
        return
    runs = f"{len(volumes)}, {sum(volume.gib for volume in volumes)} GiB"
    if any(volume.type != "gp3" for volume in volumes):
        yield Line("volumes", f"{runs}, not all gp3", None)
        return
    month = sum(volume_month(prices, Volume(v.gib, v.iops, v.throughput)) for v in volumes)
    yield Line("volumes", runs, month / HOURS)


def _network(billed: Billed, prices: Prices) -> Iterator[Line]:
    each = (
        ("load balancer", billed.load_balancers, prices.load_balancer_hour),
        ("NAT gateway", billed.nat_gateways, prices.nat_hour + prices.address_hour),
        ("VPC endpoints", billed.endpoints, prices.endpoint_hour),
    )
    for what, count, hour in each:
        if count:
            yield Line(what, str(count), count * hour)


def _redis(environment: Environment, billed: Billed, prices: Prices) -> Iterator[Line]:
    if billed.redis:
        kind = environment.head.redis_node_type
        price = prices.redis_hour.get(kind)
        yield Line("Redis", f"{billed.redis} {kind}", None if price is None else price)


def _dollars(hour: float | None, at_most: bool) -> tuple[str, str]:
    if hour is None:
        return "?", "?"
    words = "up to " if at_most else ""
    return f"{words}{hour:,.4f}", f"{words}{hour * HOURS:,.2f}"
