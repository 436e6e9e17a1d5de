"""VPC endpoints and private zones: what AWS refuses is refused."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.endpoints import serve

SSM = "com.amazonaws.us-east-1.ssm"
S3 = "com.amazonaws.us-east-1.s3"


def a_vpc(aws: Clients, *, hostnames: bool = True) -> str:
    ec2 = aws("ec2")
    vpc_id = str(ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"])
    ec2.modify_vpc_attribute(VpcId=vpc_id, EnableDnsHostnames={"Value": hostnames})
    return vpc_id


def a_subnet(aws: Clients, vpc_id: str, number: int, zone: str) -> str:
    made = aws("ec2").create_subnet(
        VpcId=vpc_id, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"us-east-1{zone}"
    )
    return str(made["Subnet"]["SubnetId"])


def interface(aws: Clients, vpc_id: str, *subnets: str) -> Any:
    return aws("ec2").create_vpc_endpoint(
        VpcId=vpc_id,
        ServiceName=SSM,
        VpcEndpointType="Interface",
        PrivateDnsEnabled=True,
        SubnetIds=list(subnets),
    )


def test_a_second_endpoint_cannot_have_the_same_private_name(aws: Clients) -> None:
    vpc_id = a_vpc(aws)
    subnet = a_subnet(aws, vpc_id, 1, "a")
    interface(aws, vpc_id, subnet)

    with pytest.raises(ClientError, match=r"conflicting DNS domain for ssm\.us-east-1.amazonaws"):
        interface(aws, vpc_id, subnet)

    other = a_vpc(aws)
    interface(aws, other, a_subnet(aws, other, 1, "a"))


def test_private_names_need_the_dns_attributes_of_the_vpc(aws: Clients) -> None:
    vpc_id = a_vpc(aws, hostnames=False)

    with pytest.raises(ClientError, match="enableDnsSupport and enableDnsHostnames"):
        interface(aws, vpc_id, a_subnet(aws, vpc_id, 1, "a"))


def test_an_endpoint_has_one_subnet_of_a_zone(aws: Clients) -> None:
    vpc_id = a_vpc(aws)

    with pytest.raises(ClientError, match="DuplicateSubnetsInSameZone"):
        interface(aws, vpc_id, a_subnet(aws, vpc_id, 1, "a"), a_subnet(aws, vpc_id, 2, "a"))


def test_an_endpoint_is_in_zones_of_its_service_alone(
    aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, "ssm", "us-east-1b")
    vpc_id = a_vpc(aws)

    with pytest.raises(ClientError, match="does not support the availability zone"):
        interface(aws, vpc_id, a_subnet(aws, vpc_id, 1, "a"))

    interface(aws, vpc_id, a_subnet(aws, vpc_id, 2, "b"))


def test_an_endpoint_of_a_service_that_the_region_lacks_is_refused(
    aws: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, "ssm")
    vpc_id = a_vpc(aws)

    with pytest.raises(ClientError, match="InvalidServiceName"):
        interface(aws, vpc_id, a_subnet(aws, vpc_id, 1, "a"))


def test_endpoint_services_are_found_by_name_and_type(aws: Clients) -> None:
    names = {"Name": "service-name", "Values": [S3, SSM, f"{SSM}-of-no-one"]}
    kind = {"Name": "service-type", "Values": ["Interface"]}

    found = aws("ec2").describe_vpc_endpoint_services(Filters=[names, kind])["ServiceDetails"]

    assert [one["ServiceName"] for one in found] == [S3, SSM]


def test_a_route_table_has_one_route_to_a_service(aws: Clients) -> None:
    vpc_id = a_vpc(aws)
    table = aws("ec2").create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    aws("ec2").create_vpc_endpoint(VpcId=vpc_id, ServiceName=S3, RouteTableIds=[table])

    with pytest.raises(ClientError, match="RouteAlreadyExists"):
        aws("ec2").create_vpc_endpoint(VpcId=vpc_id, ServiceName=S3, RouteTableIds=[table])


def test_a_load_balancer_has_one_subnet_of_a_zone(aws: Clients) -> None:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html"""
    vpc_id = a_vpc(aws)
    subnets = [a_subnet(aws, vpc_id, number, "a") for number in (1, 2)]

    with pytest.raises(ClientError, match="multiple subnets in the same Availability Zone"):
        aws("elbv2").create_load_balancer(Name="head", Type="network", Subnets=subnets)


@pytest.mark.parametrize("name", ["a" * 33, "-head", "head-", "internal-head", "head_1"])
def test_a_load_balancer_has_a_name_of_aws_s_form(aws: Clients, name: str) -> None:
    vpc_id = a_vpc(aws)
    subnet = a_subnet(aws, vpc_id, 1, "a")

    with pytest.raises(ClientError, match="ValidationError"):
        aws("elbv2").create_load_balancer(Name=name, Type="network", Subnets=[subnet])


def test_a_vpc_has_one_private_zone_of_a_name(aws: Clients) -> None:
    route53, vpc = aws("route53"), {"VPCRegion": "us-east-1", "VPCId": a_vpc(aws)}
    config = {"PrivateZone": True, "Comment": ""}

    def create(reference: str, name: str) -> None:
        route53.create_hosted_zone(
            Name=name, CallerReference=reference, VPC=vpc, HostedZoneConfig=config
        )

    create("1", "ray.internal")
    create("2", "other.ray.internal")

    with pytest.raises(ClientError, match=r"ConflictingDomainExists.* has already been associated"):
        create("3", "ray.internal.")


def test_the_private_zones_of_a_vpc_come_in_pages(aws: Clients) -> None:
    route53, vpc = aws("route53"), {"VPCRegion": "us-east-1", "VPCId": a_vpc(aws)}
    config = {"PrivateZone": True, "Comment": ""}
    names = [f"{number}.internal." for number in range(101)]
    for name in names:
        route53.create_hosted_zone(
            Name=name, CallerReference=name, VPC=vpc, HostedZoneConfig=config
        )

    first = route53.list_hosted_zones_by_vpc(**vpc)
    second = route53.list_hosted_zones_by_vpc(**vpc, NextToken=first["NextToken"])

    pages = [[zone["Name"] for zone in one["HostedZoneSummaries"]] for one in (first, second)]
    assert pages == [names[:100], names[100:]]
    assert "NextToken" not in second
