"""Names that a drill hides or leads astray in the cluster's VPC. Touches Route 53.

A private hosted zone hides what public DNS says of its domain from the VPCs it is associated with:
docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

from common.clients import translated
from deploy.foundation.stack import find_foundation
from deploy.verify.cluster_checks import addresses
from drills.kit.scene import DrillFailed, Scene

OVERLAP = "on AWS the zone of an interface endpoint may have the name already"


@contextmanager
def hidden(scene: Scene, *domains: str) -> Iterator[None]:
    """Have no name in these domains resolve in the VPC until the end of the block."""
    foundation = find_foundation(scene.clients, scene.environment)
    if foundation is None:
        raise DrillFailed(f"{scene.environment.name} has no foundation")
    route53 = scene.clients("route53")
    vpc = {"VPCRegion": scene.environment.region, "VPCId": foundation.vpc_id}
    with translated(f"hiding {', '.join(domains)}"), ExitStack() as zones:
        for domain in domains:
            made = route53.create_hosted_zone(
                Name=domain,
                VPC=vpc,
                HostedZoneConfig={"PrivateZone": True},
                CallerReference=uuid4().hex,
            )
            zones.callback(route53.delete_hosted_zone, Id=made["HostedZone"]["Id"])
        scene.wait("the names hidden", lambda: not any(addresses(name) for name in domains))
        scene.breaks(f"{', '.join(domains)} cannot be resolved")
        yield


@contextmanager
def leading_to(scene: Scene, address: str) -> Iterator[None]:
    """Have the stable name lead to an address until the end of the block."""
    name = f"{scene.environment.head_dns}."
    with translated(f"leading {name} to {address}"):
        zone, record = _record(scene, name)
        wrong = {"Name": name, "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": address}]}
        try:
            _put(scene, zone, wrong)
            scene.wait("the name astray", lambda: addresses(name) == {address})
            scene.breaks(f"{name} leads to {address}")
            yield
        finally:
            _put(scene, zone, record)


def _record(scene: Scene, name: str) -> tuple[str, dict[str, Any]]:
    """Return the id of the private zone that holds a name, and its A record there."""
    route53 = scene.clients("route53")
    zones = route53.get_paginator("list_hosted_zones").paginate().search("HostedZones")
    for zone in zones:
        if zone["Config"]["PrivateZone"] and name.endswith(f".{zone['Name']}"):
            found = route53.list_resource_record_sets(HostedZoneId=zone["Id"], StartRecordName=name)
            for record in found["ResourceRecordSets"]:
                if (record["Name"], record["Type"]) == (name, "A"):
                    return str(zone["Id"]), record
    raise DrillFailed(f"no private zone has an A record {name}")


def _put(scene: Scene, zone: str, record: dict[str, Any]) -> None:
    changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
    scene.clients("route53").change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": changes}
    )
