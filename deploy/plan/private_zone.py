"""Find private zones that stand in the way of the cluster's own. Reads AWS (Route 53) only."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.environment import Environment
from deploy.foundation.stack import Foundation
from deploy.plan.finding import Finding
from deploy.plan.look_up import DENIED


def zone_findings(
    clients: Clients, environment: Environment, foundation: Foundation | None
) -> Iterator[Finding]:
    """Yield a private zone of that name which the VPC has already, as of another environment.

    https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateHostedZone.html
    """
    dns, vpc_id = environment.dns, environment.network.vpc_id
    if dns.zone_id or (foundation and not foundation.zone_id):
        return
    with translated(f"looking for private zones of {vpc_id}"):
        try:
            zones = _zones_of(clients, vpc_id, environment.region)
        except ClientError as error:
            if error_code(error) not in DENIED:
                raise
            words = f"these credentials may not look for private zones of {vpc_id}"
            yield Finding(
                words, f"allow route53:ListHostedZonesByVPC, or see that none is {dns.zone}"
            )
            return
    for zone in zones:
        same = zone["Name"].rstrip(".") == dns.zone.rstrip(".")
        if same and zone["HostedZoneId"] != (foundation.zone_id if foundation else ""):
            yield Finding(
                f"dns.zone: {vpc_id} has a private zone {dns.zone} already, {zone['HostedZoneId']}",
                f'use it, with zone_id = "{zone["HostedZoneId"]}", or choose another zone',
                fatal=True,
            )


def _zones_of(clients: Clients, vpc_id: str, region: str) -> list[dict[str, Any]]:
    """Return a VPC's private zones, those of AWS's services too; boto3 has no paginator for them.

    https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListHostedZonesByVPC.html
    """
    found, more = list[dict[str, Any]](), dict[str, str]()
    while True:
        answer = clients("route53").list_hosted_zones_by_vpc(VPCId=vpc_id, VPCRegion=region, **more)
        found += answer["HostedZoneSummaries"]
        if not answer.get("NextToken"):
            return found
        more = {"NextToken": answer["NextToken"]}
