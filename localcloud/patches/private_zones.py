"""A VPC has one private zone of a name, and its zones come in pages.

Follows ConflictingDomainExists of CreateHostedZone
(https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateHostedZone.html); the words are
those that github.com/hashicorp/terraform-provider-aws/issues/37783 quotes. moto creates a second.

ListHostedZonesByVPC
(https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListHostedZonesByVPC.html) returns
MaxItems and a token; how many without it is not documented: here 100, as of ListHostedZones. moto
returns all.
"""

from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.route53.exceptions import Route53ClientError
from moto.route53.models import Route53Backend
from moto.route53.responses import Route53

from localcloud.patches.paging import page
from localcloud.world import World

PAGE = 100


@cache
def install() -> None:
    """Check before each creation and association; list in pages."""
    create = Route53Backend.create_hosted_zone
    associate = Route53Backend.associate_vpc_with_hosted_zone

    def create_hosted_zone(self: Any, name: str, *given: Any, **settings: Any) -> Any:
        if vpc_id := settings.get("vpcid"):
            _check(self, name, vpc_id, settings.get("vpcregion") or "")
        return create(self, name, *given, **settings)

    def associate_vpc(self: Any, zone_id: str, vpcid: str, vpcregion: str) -> Any:
        _check(self, self.get_hosted_zone(zone_id).name, vpcid, vpcregion)
        return associate(self, zone_id, vpcid, vpcregion)

    Route53Backend.create_hosted_zone = create_hosted_zone
    Route53Backend.associate_vpc_with_hosted_zone = associate_vpc
    Route53.list_hosted_zones_by_vpc = _list_hosted_zones_by_vpc


def _list_hosted_zones_by_vpc(self: Any) -> ActionResult:
    zones = self.backend.list_hosted_zones_by_vpc(self._get_param("VPCId"))
    size = self._get_int_param("MaxItems", PAGE)
    shown, token = page(self, zones, size)
    return ActionResult({"HostedZoneSummaries": shown, "MaxItems": str(size), "NextToken": token})


def _check(backend: Any, name: str, vpc_id: str, region: str) -> None:
    for zone in backend.zones.values():
        if zone.name.rstrip(".") == name.rstrip(".") and vpc_id in [v["vpc_id"] for v in zone.vpcs]:
            raise Route53ClientError(
                "ConflictingDomainExists",
                f"The VPC {vpc_id} in region {region} has already been associated with the hosted "
                f"zone {zone.id.split('/')[-1]} with the same domain name.",
            )


def attach(world: World) -> None:
    """Nothing happens here by itself."""
