"""AWS's price list, in the shape that GetProducts answers, becomes a region's table of prices.

The shape, with two of its products, is on
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from common.clients import Clients
from common.errors import PipelineError
from deploy.plan import price_table
from deploy.plan.price_list import ENDPOINT, fetch_prices
from deploy.plan.price_table import Prices, prices_of, write_prices
from deploy.plan.prices import Fleet, price_date
from deploy.release.settings import Volume


def product(usage: str, unit: str, *dollars: str, **attributes: str) -> dict[str, Any]:
    """Return a product as it is listed, with a price for each of its tiers."""
    sku = f"SKU{usage}"
    tiers = {
        f"{sku}.JRTCKXETXF.{number}": {
            "unit": unit,
            "endRange": "Inf",
            "description": f"${price} per {unit}",
            "appliesTo": [],
            "rateCode": f"{sku}.JRTCKXETXF.{number}",
            "beginRange": "0",
            "pricePerUnit": {"USD": price},
        }
        for number, price in enumerate(dollars)
    }
    term = {
        "priceDimensions": tiers,
        "sku": sku,
        "effectiveDate": "2026-11-01T00:00:00Z",
        "offerTermCode": "JRTCKXETXF",
        "termAttributes": {},
    }
    return {
        "product": {
            "productFamily": "whatever was asked for",
            "attributes": {"regionCode": "eu-west-1", "usagetype": usage, **attributes},
            "sku": sku,
        },
        "serviceCode": "AmazonEC2",
        "terms": {
            "OnDemand": {f"{sku}.JRTCKXETXF": term},
            # One of a year: not what an hour costs.
            "Reserved": {f"{sku}.4NA7Y494T4": {**term, "offerTermCode": "4NA7Y494T4"}},
        },
        "version": "20261101000000",
        "publicationDate": "2026-11-01T00:00:00Z",
    }


INSTANCES = [
    [product("EU-BoxUsage:m6i.large", "Hrs", "0.1070000000", instanceType="m6i.large")],
    [
        product("EU-BoxUsage:g6.xlarge", "Hrs", "0.9000000000", instanceType="g6.xlarge"),
        # Listed with the others, and not for sale like them.
        product("EU-BoxUsage:x1.free", "Hrs", "0.0000000000", instanceType="x1.free"),
        product("EU-HostBoxUsage:m5.large", "Hrs", "9.0000000000", instanceType="m5.large"),
    ],
]
GP3 = [
    product("EU-EBS:VolumeUsage.gp3", "GB-Mo", "0.0880000000"),
    product("EU-EBS:VolumeP-IOPS.gp3", "IOPS-Mo", "0.0055000000"),
    product("EU-EBS:VolumeP-Throughput.gp3", "GiBps-mo", "45.0560000000"),
]
SNAPSHOTS = [
    product("EU-EBS:SnapshotUsage", "GB-Mo", "0.0500000000"),
    product("EU-EBS:SnapshotArchiveStorage", "GB-Mo", "0.0125000000"),
]
NAT = [
    product("EU-NatGateway-Hours", "Hrs", "0.0480000000"),
    product("EU-NatGateway-Bytes", "GB", "0.0480000000"),
]
ADDRESS = [
    product("EU-PublicIPv4:InUseAddress", "Hrs", "0.0050000000"),
    product("EU-PublicIPv4:IdleAddress", "Hrs", "0.0060000000"),
]
ENDPOINTS = [
    product("EU-VpcEndpoint-Hours", "Hrs", "0.0110000000"),
    product("EU-VpcEndpoint-Bytes", "GB", "0.0100000000", "0.0060000000"),
]
BALANCERS = [
    product("EU-LoadBalancerUsage", "Hrs", "0.0252000000"),
    product("EU-LCUUsage", "LCU-Hrs", "0.0060000000"),
]
REDIS = [
    product("EU-NodeUsage:cache.t4g.small", "Hrs", "0.0350000000", instanceType="cache.t4g.small")
]
# In the order in which they are asked for: service, attributes besides the region, pages.
ANSWERS: tuple[tuple[str, dict[str, str], list[list[dict[str, Any]]]], ...] = (
    (
        "AmazonEC2",
        {
            "productFamily": "Compute Instance",
            "operatingSystem": "Linux",
            "operation": "RunInstances",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
        },
        INSTANCES,
    ),
    *(("AmazonEC2", {"volumeApiName": "gp3"}, [GP3]),) * 3,
    ("AmazonEC2", {"productFamily": "Storage Snapshot"}, [SNAPSHOTS]),
    ("AmazonEC2", {"productFamily": "NAT Gateway"}, [NAT]),
    ("AmazonVPC", {"group": "VPCPublicIPv4Address"}, [ADDRESS]),
    ("AmazonVPC", {"productFamily": "VpcEndpoint"}, [ENDPOINTS]),
    ("AWSELB", {"productFamily": "Load Balancer-Network"}, [BALANCERS]),
    ("AmazonElastiCache", {"productFamily": "Cache Instance", "cacheEngine": "Redis"}, [REDIS]),
)


def listing(clients: Clients, region: str, empty: str = "") -> Stubber:
    """Have the price list answer; botocore checks what is asked and answered by AWS's model."""
    stubber = Stubber(clients("pricing"))
    for service, attributes, pages in ANSWERS:
        wanted = {"regionCode": region, **attributes}
        filters = [{"Type": "TERM_MATCH", "Field": f, "Value": v} for f, v in wanted.items()]
        asked: dict[str, Any] = {"ServiceCode": service, "Filters": filters}
        for number, page in enumerate(pages):
            answer: dict[str, Any] = {"FormatVersion": "aws_v1"}
            answer["PriceList"] = [] if service == empty else [json.dumps(one) for one in page]
            if number + 1 < len(pages):
                answer["NextToken"] = f"page {number + 1}"
            token = {"NextToken": f"page {number}"} if number else {}
            stubber.add_response("get_products", answer, {**asked, **token})
    return stubber


@pytest.fixture
def clients() -> Clients:
    return Clients(ENDPOINT)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder for fetched prices."""
    monkeypatch.setattr(price_table, "FETCHED", tmp_path / "prices")
    prices_of.cache_clear()
    yield tmp_path / "prices"
    prices_of.cache_clear()


def fetched(clients: Clients) -> Prices:
    with listing(clients, "eu-west-1") as stubber:
        found = fetch_prices(clients, "eu-west-1", "2026-11-29")
        stubber.assert_no_pending_responses()
    return found


def test_the_prices_are_those_on_demand_of_what_a_cluster_has(clients: Clients) -> None:
    assert fetched(clients) == Prices(
        date="2026-11-29",
        hour={"m6i.large": 0.107, "g6.xlarge": 0.9},
        gp3_gib_month=0.088,
        gp3_iops_month=0.0055,
        gp3_throughput_month=0.044,
        snapshot_gib_month=0.05,
        nat_hour=0.048,
        address_hour=0.005,
        endpoint_hour=0.011,
        load_balancer_hour=0.0252,
        redis_hour={"cache.t4g.small": 0.035},
    )


def test_what_the_list_lacks_is_named(clients: Clients) -> None:
    with (
        listing(clients, "mars-1", empty="AWSELB"),
        pytest.raises(PipelineError, match=r"no LoadBalancerUsage \(AWSELB\) in mars-1"),
    ):
        fetch_prices(clients, "mars-1", "2026-11-29")


def test_fetched_prices_are_kept_with_their_date_and_used(clients: Clients, folder: Path) -> None:
    assert prices_of("eu-west-1") is None

    path = write_prices("eu-west-1", fetched(clients))

    assert path == folder / "eu-west-1.toml"
    assert tomllib.loads(path.read_text())["date"] == "2026-11-29"
    assert prices_of("eu-west-1") == fetched(clients)
    assert price_date("eu-west-1") == "2026-11-29"
    large = Fleet("m6i.large", 1, Volume(100), "eu-west-1")
    assert large.monthly == pytest.approx(730 * 0.107 + 8.8)


def test_fetched_prices_come_before_the_shipped_ones(clients: Clients, folder: Path) -> None:
    write_prices("us-east-1", fetched(clients))

    found = prices_of("us-east-1")
    assert found
    assert found.hour["m6i.large"] == 0.107
    assert found.pipeline
    assert found.pipeline.vcpu_hour == 0.04048
