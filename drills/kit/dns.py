"""Hide or redirect DNS names in the cluster's VPC. Touches Route 53.

A private hosted zone hides its domain's public DNS records from the VPCs it is associated with:
docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

from common.clients import translated
from deploy.foundation.stack import find_foundation
from drills.kit.cluster import ClusterUnderTest, DrillFailed

OVERLAP = "on AWS the zone of an interface endpoint may already contain the name"


@contextmanager
def hide_names(cluster: ClusterUnderTest, *domains: str) -> Iterator[None]:
    """Let no name in these domains resolve in the VPC until the end of the block.

    This process must be in the VPC too: Run Command does not answer while SSM's name is hidden.
    """
    foundation = find_foundation(cluster.clients, cluster.environment)
    if foundation is None:
        raise DrillFailed(
            f"{cluster.environment.name} has no foundation",
            hint=f"invoke deploy --env {cluster.environment.name}",
        )
    route53 = cluster.clients("route53")
    vpc = {"VPCRegion": cluster.environment.region, "VPCId": foundation.vpc_id}
    with translated(f"hiding {', '.join(domains)}"), ExitStack() as zones:
        for domain in domains:
            created = route53.create_hosted_zone(
                Name=domain,
                VPC=vpc,
                HostedZoneConfig={"PrivateZone": True},
                CallerReference=uuid4().hex,
            )
            zones.callback(route53.delete_hosted_zone, Id=created["HostedZone"]["Id"])
        cluster.wait("the names hidden", lambda: not any(map(resolves, domains)))
        cluster.record_fault(f"{', '.join(domains)} cannot be resolved")
        yield


def resolves(name: str) -> bool:
    """Say whether this process finds an address for a name."""
    try:
        return bool(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM))
    except socket.gaierror:
        return False


@contextmanager
def redirect_stable_name(cluster: ClusterUnderTest, address: str) -> Iterator[None]:
    """Let the stable name resolve to ``address`` until the end of the block."""
    name = f"{cluster.environment.head_dns}."
    with translated(f"redirecting {name} to {address}"):
        zone, record = _record(cluster, name)
        wrong = {"Name": name, "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": address}]}
        try:
            _put(cluster, zone, wrong)
            cluster.wait("the name redirected", lambda: cluster.resolve(name) == {address})
            cluster.record_fault(f"{name} resolves to {address}")
            yield
        finally:
            _put(cluster, zone, record)


def _record(cluster: ClusterUnderTest, name: str) -> tuple[str, dict[str, Any]]:
    """Return the id of the private zone that holds a name, and its A record there."""
    route53 = cluster.clients("route53")
    zones = route53.get_paginator("list_hosted_zones").paginate().search("HostedZones")
    for zone in zones:
        if zone["Config"]["PrivateZone"] and name.endswith(f".{zone['Name']}"):
            found = route53.list_resource_record_sets(HostedZoneId=zone["Id"], StartRecordName=name)
            for record in found["ResourceRecordSets"]:
                if (record["Name"], record["Type"]) == (name, "A"):
                    return str(zone["Id"]), record
    raise DrillFailed(
        f"no private zone has an A record {name}",
        hint=f"invoke deploy --env {cluster.environment.name} restores it",
    )


def _put(cluster: ClusterUnderTest, zone: str, record: dict[str, Any]) -> None:
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
    cluster.clients("route53").change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": changes}
    )
