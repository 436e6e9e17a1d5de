"""What instances cost a month, from a dated table, and what a plan changes in it. No AWS.

The table is prices.toml beside this file: on-demand, Linux, a few types of one region. A type that
is not in it has no price, and the words say so.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("prices.toml")
HOURS = 730  # a month, as in AWS's calculator
REGION = "us-east-1"


@dataclass(frozen=True)
class Fleet:
    """``count`` instances of a type in a region, each with a gp3 volume."""

    instance_type: str
    count: int
    volume_gib: int
    region: str = REGION

    @property
    def words(self) -> str:
        """Return it in short, for example ``3 m6i.large``."""
        return self.instance_type if self.count == 1 else f"{self.count} {self.instance_type}"

    @property
    def monthly(self) -> float | None:
        """Return the dollars a month; None if the table has no price."""
        return monthly_cost(self.instance_type, self.count, self.volume_gib, self.region)


@dataclass(frozen=True)
class _Prices:
    """The table of one region."""

    hour: dict[str, float]
    gp3_gib_month: float


def monthly_cost(
    instance_type: str, count: int, volume_gib: int, region: str = REGION
) -> float | None:
    """Return dollars a month of 730 h for ``count`` instances and their volumes.

    None if the type or the region is not in the table; 0 for no instances.
    """
    if count == 0:
        return 0.0
    prices = _regions().get(region)
    hour = prices.hour.get(instance_type) if prices else None
    if prices is None or hour is None:
        return None
    return count * (hour * HOURS + volume_gib * prices.gp3_gib_month)


def cost_change(before: Fleet | None, after: Fleet | None) -> str:
    """Say how the cost changes from one fleet to another; None is no fleet.

    For example ``+$70 a month (m6i.large to m6i.xlarge, prices of 2026-01-19)``.
    """
    unknown = [why for fleet in (before, after) if fleet and (why := _unknown(fleet))]
    if unknown:
        return f"change in cost unknown: {'; '.join(dict.fromkeys(unknown))}"
    old, new = ((fleet.monthly if fleet else 0.0) or 0.0 for fleet in (before, after))
    return f"{_dollars(new - old)} ({_step(before, after)}, prices of {price_date()})"


def price_date() -> str:
    """Return the date of the prices."""
    return str(_table()["date"])


def _dollars(change: float) -> str:
    amount = f"{abs(change):,.0f}" if abs(change) >= 10 else f"{abs(change):,.2f}"
    if float(amount.replace(",", "")) == 0:
        return "the same cost"
    return f"{'+' if change > 0 else '-'}${amount} a month"


def _step(before: Fleet | None, after: Fleet | None) -> str:
    if before is None or after is None:
        fleet = after or before
        sign = "new" if after else "removed"
        return f"{fleet.words} {sign}" if fleet else "nothing"
    old, new = before.words, after.words
    if old == new and before.volume_gib != after.volume_gib:
        return f"{new}, {before.volume_gib} to {after.volume_gib} GiB each"
    return new if old == new else f"{old} to {new}"


def _unknown(fleet: Fleet) -> str:
    if fleet.monthly is not None:
        return ""
    if fleet.region not in _regions():
        return f"no prices for {fleet.region} in {TABLE.name}"
    return f"no price for {fleet.instance_type} in {TABLE.name}"


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


@cache
def _regions() -> dict[str, _Prices]:
    return {name: _Prices(**prices) for name, prices in _table()["regions"].items()}
