"""What instances cost a month, from dated tables, and what a plan changes in it. No AWS.

The tables are price_table.py's: on-demand, Linux. A type that is not in its region's has no price,
and the words say so. Spot has no fixed price either: who names no
maximum pays the spot price of the moment, which EC2 keeps at or below the on-demand price.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/how-spot-instances-work.html
"""

from dataclasses import dataclass

from common.nodes import BASE_IOPS, BASE_THROUGHPUT
from deploy.plan.price_table import PipelinePrices, Prices, prices_of
from deploy.release.settings import Volume

HOURS = 730  # a month, as in AWS's calculator
REGION = "us-east-1"


@dataclass(frozen=True)
class Fleet:
    """``count`` instances of a type in a region, each with a gp3 volume.

    ``spot``: they may be spot instances.
    """

    instance_type: str
    count: int
    volume: Volume
    region: str = REGION
    spot: bool = False

    @property
    def words(self) -> str:
        """Return it in short, for example ``3 m6i.large``."""
        kind = f"{self.instance_type} on spot" if self.spot else self.instance_type
        return kind if self.count == 1 else f"{self.count} {kind}"

    @property
    def monthly(self) -> float | None:
        """Return the dollars a month of 730 h, on demand, with their volumes.

        None if the type or the region is not in the table; 0 for no instances.
        """
        if self.count == 0:
            return 0.0
        prices = prices_of(self.region)
        hour = prices.hour.get(self.instance_type) if prices else None
        if prices is None or hour is None:
            return None
        return self.count * (hour * HOURS + volume_month(prices, self.volume))


def volume_month(prices: Prices, volume: Volume) -> float:
    """Return what a gp3 volume costs a month: what it has by itself costs nothing more."""
    iops = max(0, volume.iops - BASE_IOPS)
    throughput = max(0, volume.throughput - BASE_THROUGHPUT)
    return (
        volume.gib * prices.gp3_gib_month
        + iops * prices.gp3_iops_month
        + throughput * prices.gp3_throughput_month
    )


def cost_change(before: Fleet | None, after: Fleet | None) -> str:
    """Say how the cost changes from one fleet to another; None is no fleet.

    For example ``+$70 a month (m6i.large to m6i.xlarge, prices of 2026-01-19)``; where spot is one
    of them, ``up to $700 a month, before up to $588 (…)``.
    """
    unknown = [why for fleet in (before, after) if fleet and (why := _unknown(fleet))]
    if unknown:
        return f"change in cost unknown: {'; '.join(dict.fromkeys(unknown))}"
    old, new = (fleet.monthly or 0.0 if fleet else 0.0 for fleet in (before, after))
    region = (after or before or Fleet("", 0, Volume(0))).region
    step = f"({_step(before, after)}, prices of {price_date(region)})"
    if not any(fleet and fleet.spot and fleet.count for fleet in (before, after)):
        return f"{_change(new - old)} {step}"
    earlier = f", before {_at_most(before, old)}" if before else ""
    return f"{_at_most(after, new)} a month{earlier} {step}"


def pipeline_prices(region: str) -> PipelinePrices | None:
    """Return the prices of the document pipeline's parts; None for a region without any."""
    found = prices_of(region)
    return found.pipeline if found else None


def snapshot_gib_month(region: str) -> float | None:
    """Return the price of a snapshot's GiB, in the standard tier; None for a region without any."""
    found = prices_of(region)
    return found.snapshot_gib_month if found else None


def price_date(region: str = REGION) -> str:
    """Return the date of a region's prices; empty where there are none."""
    found = prices_of(region)
    return found.date if found else ""


def _change(change: float) -> str:
    amount = _dollars(abs(change))
    if float(amount.replace(",", "")) == 0:
        return "the same cost"
    return f"{'+' if change > 0 else '-'}${amount} a month"


def _at_most(fleet: Fleet | None, dollars: float) -> str:
    return f"{'up to ' if fleet and fleet.spot and fleet.count else ''}${_dollars(dollars)}"


def _dollars(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 or amount == 0 else f"{amount:,.2f}"


def _step(before: Fleet | None, after: Fleet | None) -> str:
    if before is None or after is None:
        fleet = after or before
        sign = "new" if after else "removed"
        return f"{fleet.words} {sign}" if fleet else "nothing"
    old, new = before.words, after.words
    if old == new and before.volume != after.volume:
        return f"{new}, {_volume_step(before.volume, after.volume)} each"
    return new if old == new else f"{old} to {new}"


def _volume_step(before: Volume, after: Volume) -> str:
    """Say how a volume changes: its size, IOPS and throughput, as far as they differ."""
    units = {
        "GiB": (before.gib, after.gib),
        "IOPS": (before.iops or BASE_IOPS, after.iops or BASE_IOPS),
        "MiB/s": (before.throughput or BASE_THROUGHPUT, after.throughput or BASE_THROUGHPUT),
    }
    steps = [f"{old} to {new} {unit}" for unit, (old, new) in units.items() if old != new]
    return " and ".join(steps) or "the same volume"


def _unknown(fleet: Fleet) -> str:
    if fleet.monthly is not None:
        return ""
    if prices_of(fleet.region) is None:
        return f"no prices for {fleet.region}: invoke prices --region {fleet.region}"
    return f"no price for {fleet.instance_type} in {fleet.region}"
