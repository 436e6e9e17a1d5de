"""Prices by region, each table with its date. Reads files; no AWS.

``prices.toml`` beside this file has one region; ``environments/prices/`` has those that
``invoke prices`` fetched, which come before it.
"""

import json
import tomllib
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from common.environment import FOLDER
from common.whole_file import write_files

TABLE = Path(__file__).with_name("prices.toml")
FETCHED = FOLDER / "prices"
HEADER = """\
# AWS's price list of {region}, as `invoke prices --region {region}` fetched it: on demand,
# Linux, shared tenancy, in dollars. An endpoint is one of a service in one zone; a load balancer
# is without its traffic.
"""


@dataclass(frozen=True)
class PipelinePrices:
    """What the document pipeline's parts cost; ``endpoint_hour`` is for one zone."""

    vcpu_hour: float
    gib_hour: float
    spot_discount: float  # at most
    nat_hour: float
    address_hour: float
    endpoint_hour: float
    secret_month: float
    alarm_month: float
    metric_month: float


@dataclass(frozen=True)
class Prices:
    """The prices of one region in dollars, and their date.

    ``hour`` is by instance type, ``redis_hour`` by cache node type.
    """

    date: str
    hour: dict[str, float]
    gp3_gib_month: float
    gp3_iops_month: float
    gp3_throughput_month: float  # a MiB/s
    snapshot_gib_month: float  # standard tier
    nat_hour: float
    address_hour: float
    endpoint_hour: float
    load_balancer_hour: float
    redis_hour: dict[str, float] = field(default_factory=dict)
    pipeline: PipelinePrices | None = None

    def as_toml(self, region: str) -> str:
        """Return them as a file that is read again."""
        facts = {name: value for name, value in asdict(self).items() if value is not None}
        tables = {name: facts.pop(name) for name in ("redis_hour", "hour")}
        # A string, a number and a key in JSON are those of TOML.
        lines = [f"{name} = {json.dumps(value)}" for name, value in facts.items()]
        for name, prices in tables.items():
            lines += ["", f"[{name}]"]
            lines += [f"{json.dumps(kind)} = {price}" for kind, price in sorted(prices.items())]
        return HEADER.format(region=region) + "\n".join(lines) + "\n"


@cache
def prices_of(region: str) -> Prices | None:
    """Return the prices of a region; None where there are none."""
    table = tomllib.loads(TABLE.read_text("utf-8"))
    found = table["regions"].get(region, {})
    fetched = FETCHED / f"{region}.toml"
    if fetched.is_file():
        # The pipeline's are in the table alone.
        found |= tomllib.loads(fetched.read_text("utf-8"))
    return _prices({"date": table["date"], **found}) if found else None


def write_prices(region: str, prices: Prices) -> Path:
    """Keep the prices of a region, and return the file; raises Refused."""
    FETCHED.mkdir(exist_ok=True)
    path = FETCHED / f"{region}.toml"
    write_files({path: prices.as_toml(region)}, hint="make it a file that can be written")
    prices_of.cache_clear()
    return path


def _prices(found: dict[str, Any]) -> Prices:
    pipeline = found.pop("pipeline", None)
    return Prices(**found, pipeline=PipelinePrices(**pipeline) if pipeline else None)
