"""Prices: a type in the table is counted, and any other is called unknown."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

from common.environment import FOLDER
from deploy.plan.price_table import TABLE
from deploy.plan.prices import Fleet, cost_change, price_date
from deploy.release.settings import Volume

GIB_20 = Volume(20)


def large(count: int = 1, volume: Volume = GIB_20) -> Fleet:
    """Return m6i.large, with 20 GiB each: $71.68 a month."""
    return Fleet("m6i.large", count, volume)


def spot(count: int, instance_type: str = "g6.xlarge") -> Fleet:
    """Return spot instances; g6.xlarge with 20 GiB costs $589.10 a month on demand."""
    return Fleet(instance_type, count, GIB_20, spot=True)


def test_a_month_costs_730_hours_and_the_volumes() -> None:
    assert large(volume=Volume(0)).monthly == pytest.approx(70.08)
    assert large(3).monthly == pytest.approx(3 * (70.08 + 1.6))


@pytest.mark.parametrize(
    ("volume", "dollars"),
    [
        (Volume(100), 8.0),
        (Volume(100, 3000, 125), 8.0),
        (Volume(100, 6000), 8.0 + 15.0),
        (Volume(100, 0, 500), 8.0 + 15.0),
        (Volume(200, 6000, 500), 16.0 + 15.0 + 15.0),
    ],
)
def test_a_volume_costs_its_size_and_what_is_above_gp3_s_own_speed(
    volume: Volume, dollars: float
) -> None:
    monthly = large(volume=volume).monthly

    assert monthly is not None
    assert monthly - 70.08 == pytest.approx(dollars)


def test_a_type_that_is_not_in_the_table_has_no_price() -> None:
    assert Fleet("x9z.large", 1, GIB_20).monthly is None
    assert Fleet("m6i.large", 1, GIB_20, "eu-central-1").monthly is None


def test_no_instances_cost_nothing() -> None:
    assert Fleet("x9z.large", 0, GIB_20).monthly == 0


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (large(), Fleet("m6i.xlarge", 1, GIB_20), "+$70 a month (m6i.large to m6i.xlarge"),
        (Fleet("m6i.xlarge", 1, GIB_20), large(), "-$70 a month (m6i.xlarge to m6i.large"),
        (large(2), large(4), "+$143 a month (2 m6i.large to 4 m6i.large"),
        (
            large(40),
            Fleet("m6i.xlarge", 40, GIB_20),
            "+$2,803 a month (40 m6i.large to 40 m6i.xlarge",
        ),
        (large(2), large(2, Volume(40)), "+$3.20 a month (2 m6i.large, 20 to 40 GiB each"),
        (
            large(2),
            large(2, Volume(40, 6000, 500)),
            "+$63 a month (2 m6i.large, 20 to 40 GiB and 3000 to 6000 IOPS and "
            "125 to 500 MiB/s each",
        ),
        (large(2), large(2), "the same cost (2 m6i.large"),
        (None, large(), "+$72 a month (m6i.large new"),
        (large(), None, "-$72 a month (m6i.large removed"),
        (None, spot(8), "up to $4,713 a month (8 g6.xlarge on spot new"),
        (large(), spot(1), "up to $589 a month, before $72 (m6i.large to g6.xlarge on spot"),
        (spot(1), large(), "$72 a month, before up to $589 (g6.xlarge on spot to m6i.large"),
        (spot(1), None, "$0 a month, before up to $589 (g6.xlarge on spot removed"),
    ],
)
def test_a_change_names_dollars_and_the_date_of_the_prices(
    before: Fleet | None, after: Fleet | None, words: str
) -> None:
    assert cost_change(before, after) == f"{words}, prices of {price_date()})"


@pytest.mark.parametrize(
    ("fleet", "why"),
    [
        (Fleet("x9z.large", 1, GIB_20), "no price for x9z.large in us-east-1"),
        (
            Fleet("m6i.large", 1, GIB_20, "eu-central-1"),
            "no prices for eu-central-1: invoke prices --region eu-central-1",
        ),
    ],
)
def test_an_unknown_price_is_named_once_and_not_guessed(fleet: Fleet, why: str) -> None:
    assert cost_change(large(), fleet) == f"change in cost unknown: {why}"
    assert cost_change(fleet, fleet) == f"change in cost unknown: {why}"


SIZES = {"medium": 0.5, "large": 1, "xlarge": 2, "2xlarge": 4, "4xlarge": 8}
GPUS = re.compile(r"[gp]\d")  # whose sizes have other GPUs


def test_the_table_has_a_date_a_source_and_sensible_prices() -> None:
    table = tomllib.loads(TABLE.read_text())

    assert date.fromisoformat(price_date()) <= date(2026, 11, 22)
    assert table["source"].startswith("https://aws.amazon.com/")
    for region in table["regions"].values():
        for name, price in region["hour"].items():
            family, size = name.split(".")
            if not GPUS.match(family):
                assert price == pytest.approx(region["hour"][f"{family}.large"] * SIZES[size])
            assert 0.01 < price < 100


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.toml")), ids=lambda path: path.stem)
def test_the_shipped_environments_have_a_price(path: Path) -> None:
    tables = tomllib.loads(path.read_text())
    workers = tables["workers"]
    groups = [workers] if "instance_type" in workers else workers.values()
    kinds = [group.get("instance_type") or group["instance_types"][0] for group in groups]

    for kind in (tables["head"]["instance_type"], *kinds):
        assert Fleet(kind, 1, GIB_20, tables["region"]).monthly
