"""AWS::EC2 types that lay out a VPC: networks, gateways and routes.

Properties and update behaviour: "Amazon EC2" in the CloudFormation template reference
(docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_EC2.html).
"""

from typing import Any

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Place, ResourceType, register
from localcloud.patches.internal import call


def bring_tags(place: Place, resource_id: str, old: Tree, new: Tree) -> None:
    """Set an EC2 resource's tags as ``new`` and the stack have them."""
    removed, tags = place.tag_changes(old, new)
    if removed:
        keys = [{"Key": key} for key in removed]
        call("ec2", "delete_tags", Resources=[resource_id], Tags=keys)
    if tags:
        call("ec2", "create_tags", Resources=[resource_id], Tags=tags)


def tagged(place: Place, kind: str, properties: Tree) -> Tree:
    """Return the tags that an EC2 resource is created with: each type's schema in CloudFormation's
    registry has ``tagOnCreate``.
    """
    tags = place.tags(properties)
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags}]} if tags else {}


def chosen(properties: Tree, *names: str) -> Tree:
    """Return those of the properties that were given."""
    return {name: properties[name] for name in names if name in properties}


@register
class Vpc(ResourceType):
    type_name = "AWS::EC2::VPC"
    properties = frozenset(
        {"CidrBlock", "EnableDnsHostnames", "EnableDnsSupport", "InstanceTenancy", "Tags"}
    )
    replacing = frozenset({"CidrBlock", "InstanceTenancy"})
    required = frozenset({"CidrBlock"})

    def create(self, place: Place, properties: Tree) -> str:
        given = chosen(properties, "CidrBlock", "InstanceTenancy") | tagged(
            place, "vpc", properties
        )
        made = call("ec2", "create_vpc", **given)
        return str(made["Vpc"]["VpcId"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        for name in ("EnableDnsSupport", "EnableDnsHostnames"):
            if name in new:
                value = {name: {"Value": new[name]}}
                call("ec2", "modify_vpc_attribute", VpcId=physical_id, **value)
        bring_tags(place, physical_id, old, new)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ec2", "delete_vpc", VpcId=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "DefaultSecurityGroup":
            filters = [
                {"Name": "vpc-id", "Values": [physical_id]},
                {"Name": "group-name", "Values": ["default"]},
            ]
            found = call("ec2", "describe_security_groups", Filters=filters)
            return found["SecurityGroups"][0]["GroupId"]
        if name in ("VpcId", "CidrBlock"):
            return call("ec2", "describe_vpcs", VpcIds=[physical_id])["Vpcs"][0][name]
        return super().attribute(physical_id, name)


@register
class Subnet(ResourceType):
    type_name = "AWS::EC2::Subnet"
    properties = frozenset(
        {"VpcId", "CidrBlock", "AvailabilityZone", "MapPublicIpOnLaunch", "Tags"}
    )
    replacing = frozenset({"VpcId", "CidrBlock", "AvailabilityZone"})
    required = frozenset({"VpcId", "CidrBlock"})

    def create(self, place: Place, properties: Tree) -> str:
        given = chosen(properties, "VpcId", "CidrBlock", "AvailabilityZone")
        given |= tagged(place, "subnet", properties)
        return str(call("ec2", "create_subnet", **given)["Subnet"]["SubnetId"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if new.get("MapPublicIpOnLaunch") != old.get("MapPublicIpOnLaunch"):
            public = {"Value": new.get("MapPublicIpOnLaunch", False)}
            call("ec2", "modify_subnet_attribute", SubnetId=physical_id, MapPublicIpOnLaunch=public)
        bring_tags(place, physical_id, old, new)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ec2", "delete_subnet", SubnetId=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name in ("SubnetId", "VpcId", "CidrBlock", "AvailabilityZone"):
            return call("ec2", "describe_subnets", SubnetIds=[physical_id])["Subnets"][0][name]
        return super().attribute(physical_id, name)


@register
class InternetGateway(ResourceType):
    type_name = "AWS::EC2::InternetGateway"
    properties = frozenset({"Tags"})

    def create(self, place: Place, properties: Tree) -> str:
        tags = tagged(place, "internet-gateway", properties)
        made = call("ec2", "create_internet_gateway", **tags)
        return str(made["InternetGateway"]["InternetGatewayId"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        bring_tags(place, physical_id, old, new)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ec2", "delete_internet_gateway", InternetGatewayId=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "InternetGatewayId":
            return physical_id
        return super().attribute(physical_id, name)


@register
class GatewayAttachment(ResourceType):
    type_name = "AWS::EC2::VPCGatewayAttachment"
    properties = frozenset({"VpcId", "InternetGatewayId"})
    replacing = properties
    required = properties
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        call("ec2", "attach_internet_gateway", **properties)
        return f"IGW|{properties['VpcId']}"

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ec2", "detach_internet_gateway", **properties)


@register
class RouteTable(ResourceType):
    type_name = "AWS::EC2::RouteTable"
    properties = frozenset({"VpcId", "Tags"})
    replacing = frozenset({"VpcId"})
    required = replacing

    def create(self, place: Place, properties: Tree) -> str:
        tags = tagged(place, "route-table", properties)
        made = call("ec2", "create_route_table", VpcId=properties["VpcId"], **tags)
        return str(made["RouteTable"]["RouteTableId"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        bring_tags(place, physical_id, old, new)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ec2", "delete_route_table", RouteTableId=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        return physical_id if name == "RouteTableId" else super().attribute(physical_id, name)


@register
class Route(ResourceType):
    type_name = "AWS::EC2::Route"
    replacing = frozenset({"RouteTableId", "DestinationCidrBlock"})
    required = replacing
    properties = replacing | {"GatewayId", "NatGatewayId", "NetworkInterfaceId", "InstanceId"}
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        call("ec2", "create_route", **properties)
        return f"{properties['RouteTableId']}|{properties['DestinationCidrBlock']}"

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if old:
            call("ec2", "replace_route", **new)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ec2", "delete_route", **chosen(properties, *self.replacing))


@register
class SubnetRouteTableAssociation(ResourceType):
    type_name = "AWS::EC2::SubnetRouteTableAssociation"
    properties = frozenset({"SubnetId", "RouteTableId"})
    replacing = properties
    required = properties
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        return str(call("ec2", "associate_route_table", **properties)["AssociationId"])

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ec2", "disassociate_route_table", AssociationId=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        return physical_id if name == "Id" else super().attribute(physical_id, name)
