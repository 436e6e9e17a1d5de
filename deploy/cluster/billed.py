"""What of a cluster costs something besides its instances. Reads AWS only.

Volumes of instances, and of the foundation's stack what AWS charges by the hour.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.environment import Environment
from deploy.cluster.instances import Instance

LOAD_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
NAT, ENDPOINT = "AWS::EC2::NatGateway", "AWS::EC2::VPCEndpoint"
REDIS = "AWS::ElastiCache::ReplicationGroup"
AT_ONCE = 200  # values of a filter; https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html


@dataclass(frozen=True)
class DiskVolume:
    """A volume: GiB, IOPS, and MiB/s (0: what its type has by itself)."""

    gib: int
    iops: int
    throughput: int
    type: str


@dataclass(frozen=True)
class Billed:
    """Counts of what is charged by the hour; ``endpoints`` counts each zone of an interface."""

    volumes: tuple[DiskVolume, ...] = ()
    load_balancers: int = 0
    nat_gateways: int = 0
    endpoints: int = 0
    redis: int = 0


def find_billed(
    clients: Clients, environment: Environment, instances: tuple[Instance, ...]
) -> Billed:
    """Read it; nothing without a stack."""
    resources = _resources(clients, environment.stack)
    counts = Counter(resource["ResourceType"] for resource in resources)
    endpoints = [r["PhysicalResourceId"] for r in resources if r["ResourceType"] == ENDPOINT]
    return Billed(
        volumes=_volumes(clients, [instance.id for instance in instances]),
        load_balancers=counts[LOAD_BALANCER],
        nat_gateways=counts[NAT],
        endpoints=_interfaces(clients, endpoints),
        redis=counts[REDIS],
    )


def _resources(clients: Clients, stack: str) -> list[dict[str, Any]]:
    with translated(f"reading the stack {stack}"):
        try:
            pages = clients("cloudformation").get_paginator("list_stack_resources")
            found = [
                r for p in pages.paginate(StackName=stack) for r in p["StackResourceSummaries"]
            ]
        except ClientError as error:
            if error_code(error) == "ValidationError" and "does not exist" in str(error):
                return []
            raise
    return [r for r in found if r.get("PhysicalResourceId") and "DELETE" not in r["ResourceStatus"]]


def _interfaces(clients: Clients, endpoint_ids: list[str]) -> int:
    """Return how many interfaces the endpoints have: each is charged, a gateway is not."""
    if not endpoint_ids:
        return 0
    with translated("reading the VPC endpoints"):
        pages = clients("ec2").get_paginator("describe_vpc_endpoints")
        found = [e for p in pages.paginate(VpcEndpointIds=endpoint_ids) for e in p["VpcEndpoints"]]
    return sum(len(e["SubnetIds"]) for e in found if e["VpcEndpointType"] == "Interface")


def _volumes(clients: Clients, instance_ids: list[str]) -> tuple[DiskVolume, ...]:
    found: list[dict[str, Any]] = []
    for begin in range(0, len(instance_ids), AT_ONCE):
        ids = instance_ids[begin : begin + AT_ONCE]
        filters = [{"Name": "attachment.instance-id", "Values": ids}]
        with translated("reading the volumes"):
            pages = clients("ec2").get_paginator("describe_volumes")
            found += [
                volume for page in pages.paginate(Filters=filters) for volume in page["Volumes"]
            ]
    return tuple(
        DiskVolume(v["Size"], v.get("Iops", 0), v.get("Throughput", 0), v["VolumeType"])
        for v in found
    )
