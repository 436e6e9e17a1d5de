"""VPC endpoints that AWS would refuse are refused.

Follows CreateVpcEndpoint
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html: private DNS
needs both DNS attributes of the VPC),
https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html (one subnet of
each zone, in zones that the service is in; a service that there is not is InvalidServiceName:
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html) and
https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html (a route table has one
route to a service). One private DNS name resolves to one endpoint in a VPC; the words are those of
github.com/hashicorp/terraform-provider-aws/issues/17535. moto creates them all.

DescribeVpcEndpointServices has the filter service-name
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVpcEndpointServices.html). moto
fails on it.
"""

from functools import cache
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.vpcs import AWS_ENDPOINT_SERVICES

from localcloud.world import World

INTERFACE = "interface"
# Services with interface endpoints that moto's list does not have:
# docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-privatelink.html
LATER_SERVICES = ("s3vectors",)


@cache
def install() -> None:
    """Check before each creation; have the filter of services work."""
    AWS_ENDPOINT_SERVICES.extend(LATER_SERVICES)
    create = EC2Backend.create_vpc_endpoint

    def create_vpc_endpoint(
        self: Any,
        vpc_id: str,
        service_name: str,
        endpoint_type: str | None,
        policy_document: str | None,
        route_table_ids: list[str],
        subnet_ids: list[str] | None = None,
        **settings: Any,
    ) -> Any:
        if (endpoint_type or "").lower() == INTERFACE:
            _check_subnets(self, service_name, subnet_ids or [])
            if settings.get("private_dns_enabled"):
                _check_private_dns(self, vpc_id, service_name)
        else:
            _check_routes(self, service_name, route_table_ids or [])
        return create(
            self,
            vpc_id,
            service_name,
            endpoint_type,
            policy_document,
            route_table_ids,
            subnet_ids,
            **settings,
        )

    EC2Backend.create_vpc_endpoint = create_vpc_endpoint
    select = EC2Backend._filter_endpoint_services

    def filter_endpoint_services(
        names: list[str], filters: list[dict[str, Any]], services: list[dict[str, Any]]
    ) -> Any:
        # moto knows the values of some filters by the name that EC2's query protocol gives them.
        both = [one | {"Value": one["Values"]} if "Values" in one else one for one in filters]
        return select(names, both, services)

    EC2Backend._filter_endpoint_services = staticmethod(filter_endpoint_services)


def _check_subnets(backend: Any, service_name: str, subnet_ids: list[str]) -> None:
    zones = _zones(backend, service_name)
    used: set[str] = set()
    for subnet_id in subnet_ids:
        zone = backend.get_subnet(subnet_id).availability_zone
        if zone not in zones:
            raise EC2ClientError(
                "InvalidParameter",
                f"The VPC endpoint service {service_name} does not support the availability zone "
                f"of the subnet: {subnet_id}.",
            )
        if zone in used:
            raise EC2ClientError(
                "DuplicateSubnetsInSameZone",
                f"Found another VPC endpoint subnet in the availability zone of {subnet_id}. VPC "
                "endpoint subnets should be in different availability zones supported by the VPC "
                "endpoint service.",
            )
        used.add(zone)


def _zones(backend: Any, service_name: str) -> set[str]:
    """Return the zones of a service; raises InvalidServiceName."""
    found = backend.describe_vpc_endpoint_services(
        [service_name], [], 1000, None, backend.region_name
    )
    return {zone for one in found["servicesDetails"] for zone in one["AvailabilityZones"]}


def _check_private_dns(backend: Any, vpc_id: str, service_name: str) -> None:
    vpc = backend.get_vpc(vpc_id)
    if not (_is_on(vpc.enable_dns_support) and _is_on(vpc.enable_dns_hostnames)):
        raise EC2ClientError(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC "
            f"attributes set to true for {vpc_id}",
        )
    for other in backend.vpc_end_points.values():
        named = other.private_dns_enabled and (other.vpc_endpoint_type or "").lower() == INTERFACE
        if named and other.vpc_id == vpc_id and other.service_name == service_name:
            name = f"{service_name.split('.')[-1]}.{backend.region_name}.amazonaws.com"
            raise EC2ClientError(
                "InvalidParameter",
                "private-dns-enabled cannot be set because there is already a conflicting DNS "
                f"domain for {name} in the VPC {vpc_id}",
            )


def _is_on(value: Any) -> bool:
    return str(value).lower() == "true"


def _check_routes(backend: Any, service_name: str, route_table_ids: list[str]) -> None:
    for other in backend.vpc_end_points.values():
        taken = set(other.route_table_ids or []) & set(route_table_ids)
        if other.service_name == service_name and taken:
            raise EC2ClientError(
                "RouteAlreadyExists",
                f"route table {sorted(taken)[0]} already has a route with the prefix list of "
                f"{service_name}",
            )


def attach(world: World) -> None:
    """Nothing happens here by itself."""
