"""AWS's price list of a region, as the cluster's parts need it. Reads AWS (Price List).

GetProducts answers JSON texts, one a product: https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html
A usage type has the region in front, as in ``EUW1-NatGateway-Hours``, but for that of us-east-1.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from common.clients import Clients, translated
from common.errors import PipelineError
from deploy.plan.price_table import Prices

# Prices of all regions are answered here.
# https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html
ENDPOINT = "us-east-1"
MIB = 1024  # in a GiB


@dataclass(frozen=True)
class Query:
    """Products of a service: those with these attributes, this usage type and this unit."""

    service: str
    attributes: dict[str, str]
    usage: str  # a pattern
    unit: str


INSTANCES = Query(
    "AmazonEC2",
    {
        "productFamily": "Compute Instance",
        "operatingSystem": "Linux",
        "operation": "RunInstances",
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "capacitystatus": "Used",
    },
    r"BoxUsage(:.+)?",
    "Hrs",
)
REDIS = Query(
    "AmazonElastiCache",
    {"productFamily": "Cache Instance", "cacheEngine": "Redis"},
    r"NodeUsage:.+",
    "Hrs",
)
GP3 = {"volumeApiName": "gp3"}
NAT = Query("AmazonEC2", {"productFamily": "NAT Gateway"}, "NatGateway-Hours", "Hrs")
ADDRESS = Query("AmazonVPC", {"group": "VPCPublicIPv4Address"}, "PublicIPv4:InUseAddress", "Hrs")
VPC_ENDPOINT = Query("AmazonVPC", {"productFamily": "VpcEndpoint"}, "VpcEndpoint-Hours", "Hrs")
LOAD_BALANCER = Query(
    "AWSELB", {"productFamily": "Load Balancer-Network"}, "LoadBalancerUsage", "Hrs"
)
VOLUME = Query("AmazonEC2", GP3, r"EBS:VolumeUsage\.gp3", "GB-Mo")
IOPS = Query("AmazonEC2", GP3, r"EBS:VolumeP-IOPS\.gp3", "IOPS-Mo")
THROUGHPUT = Query("AmazonEC2", GP3, r"EBS:VolumeP-Throughput\.gp3", "GiBps-mo")


SNAPSHOT = Query("AmazonEC2", {"productFamily": "Storage Snapshot"}, "EBS:SnapshotUsage", "GB-Mo")


def fetch_prices(clients: Clients, region: str, date: str) -> Prices:
    """Return the prices of a region, as of ``date``; ``clients`` are those of ENDPOINT.

    Raises PipelineError where the price list does not have what a cluster needs.
    """
    return Prices(
        date=date,
        hour=_by_type(clients, INSTANCES, region),
        gp3_gib_month=_one(clients, VOLUME, region),
        gp3_iops_month=_one(clients, IOPS, region),
        gp3_throughput_month=round(_one(clients, THROUGHPUT, region) / MIB, 6),
        snapshot_gib_month=_one(clients, SNAPSHOT, region),
        nat_hour=_one(clients, NAT, region),
        address_hour=_one(clients, ADDRESS, region),
        endpoint_hour=_one(clients, VPC_ENDPOINT, region),
        load_balancer_hour=_one(clients, LOAD_BALANCER, region),
        redis_hour=_by_type(clients, REDIS, region),
    )


def _by_type(clients: Clients, query: Query, region: str) -> dict[str, float]:
    """Return the price of each type of instance."""
    found = {
        product["attributes"]["instanceType"]: price
        for product, price in _priced(clients, query, region)
    }
    return found or _missing(query, region)


def _one(clients: Clients, query: Query, region: str) -> float:
    """Return the price of the one product; that of its first tier, which is the dearest."""
    found = [price for _, price in _priced(clients, query, region)]
    return max(found) if found else _missing(query, region)


def _missing(query: Query, region: str) -> Any:
    raise PipelineError(
        f"AWS's price list has no {query.usage} ({query.service}) in {region}",
        hint="is that a region's code, such as eu-west-1?",
    )


def _priced(clients: Clients, query: Query, region: str) -> Iterator[tuple[dict[str, Any], float]]:
    """Yield each product of a query with its price on demand."""
    usage = re.compile(rf"([A-Z0-9]+-)?{query.usage}")
    for entry in _entries(clients, query, region):
        if not usage.fullmatch(entry["product"]["attributes"].get("usagetype", "")):
            continue
        for term in entry["terms"].get("OnDemand", {}).values():
            for dimension in term["priceDimensions"].values():
                price = float(dimension["pricePerUnit"].get("USD", 0))
                if dimension["unit"] == query.unit and price > 0:
                    yield entry["product"], price


def _entries(clients: Clients, query: Query, region: str) -> Iterator[dict[str, Any]]:
    wanted = {"regionCode": region, **query.attributes}
    filters = [
        {"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()
    ]
    with translated(f"reading AWS's price list of {query.service}"):
        pages = clients("pricing").get_paginator("get_products")
        for page in pages.paginate(ServiceCode=query.service, Filters=filters):
            yield from map(json.loads, page["PriceList"])
