"""Prices: a type in the table is counted, and any other is called unknown."""

import tomllib
from datetime import date

import pytest

from common.environment import FOLDER
from deploy.plan.prices import TABLE, Fleet, cost_change, monthly_cost, price_date


def large(count: int = 1) -> Fleet:
    """Return m6i.large with 20 GiB each: $71.68 a month."""
    return Fleet("m6i.large", count, 20)


def test_a_month_costs_730_hours_and_the_volumes() -> None:
    assert monthly_cost("m6i.large", 1, 0) == pytest.approx(70.08)
    assert monthly_cost("m6i.large", 3, 20) == pytest.approx(3 * (70.08 + 1.6))


def test_a_type_that_is_not_in_the_table_has_no_price() -> None:
    assert monthly_cost("x9z.large", 1, 20) is None
    assert monthly_cost("m6i.large", 1, 20, "eu-central-1") is None


def test_no_instances_cost_nothing() -> None:
    assert monthly_cost("x9z.large", 0, 20) == 0


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (large(), Fleet("m6i.xlarge", 1, 20), "+$70 a month (m6i.large to m6i.xlarge"),
        (Fleet("m6i.xlarge", 1, 20), large(), "-$70 a month (m6i.xlarge to m6i.large"),
        (large(2), large(4), "+$143 a month (2 m6i.large to 4 m6i.large"),
        (large(40), Fleet("m6i.xlarge", 40, 20), "+$2,803 a month (40 m6i.large to 40 m6i.xlarge"),
        (large(2), Fleet("m6i.large", 2, 40), "+$3.20 a month (2 m6i.large, 20 to 40 GiB each"),
        (large(2), large(2), "the same cost (2 m6i.large"),
        (None, large(), "+$72 a month (m6i.large new"),
        (large(), None, "-$72 a month (m6i.large removed"),
    ],
)
def test_a_change_names_dollars_and_the_date_of_the_prices(
    before: Fleet | None, after: Fleet | None, words: str
) -> None:
    assert cost_change(before, after) == f"{words}, prices of {price_date()})"


@pytest.mark.parametrize(
    ("fleet", "why"),
    [
        (Fleet("x9z.large", 1, 20), "no price for x9z.large in prices.toml"),
        (Fleet("m6i.large", 1, 20, "eu-central-1"), "no prices for eu-central-1 in prices.toml"),
    ],
)
def test_an_unknown_price_is_named_once_and_not_guessed(fleet: Fleet, why: str) -> None:
    known = Fleet("m6i.large", 1, 20)

    assert cost_change(known, fleet) == f"change in cost unknown: {why}"
    assert cost_change(fleet, fleet) == f"change in cost unknown: {why}"


def test_the_table_has_a_date_a_source_and_sensible_prices() -> None:
    table = tomllib.loads(TABLE.read_text())

    assert date.fromisoformat(price_date()) <= date(2026, 11, 22)
    assert table["source"].startswith("https://aws.amazon.com/")
    for region in table["regions"].values():
        for name, price in region["hour"].items():
            family, size = name.split(".")
            factor = {"large": 1, "xlarge": 2, "2xlarge": 4, "4xlarge": 8}[size]
            assert price == pytest.approx(region["hour"][f"{family}.large"] * factor)


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.toml"))])
def test_the_shipped_environments_have_a_price(name: str) -> None:
    tables = tomllib.loads((FOLDER / f"{name}.toml").read_text())

    for role in ("head", "workers"):
        assert monthly_cost(tables[role]["instance_type"], 1, 20, tables["region"])
