"""AWS::EC2 types that guard and extend a VPC, and placement groups.

Properties and update behaviour: "Amazon EC2" in the CloudFormation template reference
(docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_EC2.html). A group that lists
its egress loses the default rule that allows all outbound traffic; a separate egress rule keeps it.
"""

import json
from typing import Any, ClassVar

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Place, ResourceType, register
from localcloud.patches.cloudformation.types_vpc import bring_tags, chosen, tagged
from localcloud.patches.internal import call

ANYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
PEERS = {  # a rule's property, and its place in the API
    "CidrIp": ("IpRanges", "CidrIp"),
    "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
    "SourceSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    "DestinationSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    "SourcePrefixListId": ("PrefixListIds", "PrefixListId"),
    "DestinationPrefixListId": ("PrefixListIds", "PrefixListId"),
}


def permission(rule: Tree) -> Tree:
    """Return a rule as the EC2 API takes it."""
    made: Tree = {"IpProtocol": str(rule["IpProtocol"]), **chosen(rule, "FromPort", "ToPort")}
    for name, (group, key) in PEERS.items():
        if name in rule:
            made[group] = [{key: rule[name], **chosen(rule, "Description")}]
    return made


@register
class SecurityGroup(ResourceType):
    type_name = "AWS::EC2::SecurityGroup"
    replacing = frozenset({"GroupDescription", "GroupName", "VpcId"})
    properties = replacing | {"SecurityGroupIngress", "SecurityGroupEgress", "Tags"}
    required = frozenset({"GroupDescription"})

    def create(self, place: Place, properties: Tree) -> str:
        made = call(
            "ec2",
            "create_security_group",
            GroupName=properties.get("GroupName") or place.name(),
            Description=properties["GroupDescription"],
            **chosen(properties, "VpcId"),
            **tagged(place, "security-group", properties),
        )
        return str(made["GroupId"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        _bring_rules(physical_id, "ingress", _rules(old, "Ingress"), _rules(new, "Ingress"))
        before = _rules(old, "Egress") if "SecurityGroupEgress" in old else [ANYWHERE]
        after = _rules(new, "Egress") if "SecurityGroupEgress" in new else [ANYWHERE]
        _bring_rules(physical_id, "egress", before, after)
        bring_tags(place, physical_id, old, new)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ec2", "delete_security_group", GroupId=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name in ("GroupId", "Id"):
            return physical_id
        if name == "VpcId":
            found = call("ec2", "describe_security_groups", GroupIds=[physical_id])
            return found["SecurityGroups"][0]["VpcId"]
        return super().attribute(physical_id, name)


def _rules(properties: Tree, direction: str) -> list[Tree]:
    return [permission(rule) for rule in properties.get(f"SecurityGroup{direction}", [])]


def _bring_rules(group: str, direction: str, old: list[Tree], new: list[Tree]) -> None:
    gone = [rule for rule in old if rule not in new]
    fresh = [rule for rule in new if rule not in old]
    if gone:
        call("ec2", f"revoke_security_group_{direction}", GroupId=group, IpPermissions=gone)
    if fresh:
        call("ec2", f"authorize_security_group_{direction}", GroupId=group, IpPermissions=fresh)


class _Rule(ResourceType):
    direction: ClassVar[str]
    required = frozenset({"GroupId", "IpProtocol"})
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        made = call(
            "ec2",
            f"authorize_security_group_{self.direction}",
            GroupId=properties["GroupId"],
            IpPermissions=[permission(properties)],
        )
        return str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def delete(self, physical_id: str, properties: Tree) -> None:
        call(
            "ec2",
            f"revoke_security_group_{self.direction}",
            GroupId=properties["GroupId"],
            IpPermissions=[permission(properties)],
        )


_RULE = frozenset({"GroupId", "IpProtocol", "FromPort", "ToPort", "CidrIp", "CidrIpv6"})


@register
class Ingress(_Rule):
    type_name = "AWS::EC2::SecurityGroupIngress"
    direction = "ingress"
    properties = _RULE | {"SourceSecurityGroupId", "SourcePrefixListId", "Description"}
    replacing = properties


@register
class Egress(_Rule):
    type_name = "AWS::EC2::SecurityGroupEgress"
    direction = "egress"
    properties = _RULE | {"DestinationSecurityGroupId", "DestinationPrefixListId", "Description"}
    replacing = properties


@register
class ElasticAddress(ResourceType):
    type_name = "AWS::EC2::EIP"
    properties = frozenset({"Domain", "Tags"})
    replacing = frozenset({"Domain"})

    def create(self, place: Place, properties: Tree) -> str:
        tags = tagged(place, "elastic-ip", properties)
        return str(call("ec2", "allocate_address", Domain="vpc", **tags)["PublicIp"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        bring_tags(place, self.attribute(physical_id, "AllocationId"), old, new)

    def delete(self, physical_id: str, properties: Tree) -> None:
        allocation = self.attribute(physical_id, "AllocationId")
        call("ec2", "release_address", AllocationId=allocation)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name in ("AllocationId", "PublicIp"):
            found = call("ec2", "describe_addresses", PublicIps=[physical_id])
            return found["Addresses"][0][name]
        return super().attribute(physical_id, name)


@register
class NatGateway(ResourceType):
    type_name = "AWS::EC2::NatGateway"
    replacing = frozenset({"SubnetId", "AllocationId", "ConnectivityType"})
    properties = replacing | {"Tags"}
    required = frozenset({"SubnetId"})

    def create(self, place: Place, properties: Tree) -> str:
        given = chosen(properties, *self.replacing) | tagged(place, "natgateway", properties)
        made = call("ec2", "create_nat_gateway", **given)
        return str(made["NatGateway"]["NatGatewayId"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        bring_tags(place, physical_id, old, new)

    def is_ready(self, physical_id: str) -> bool:
        found = call("ec2", "describe_nat_gateways", NatGatewayIds=[physical_id])
        return bool(found["NatGateways"][0]["State"] == "available")

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ec2", "delete_nat_gateway", NatGatewayId=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        return physical_id if name == "NatGatewayId" else super().attribute(physical_id, name)


@register
class PlacementGroup(ResourceType):
    type_name = "AWS::EC2::PlacementGroup"
    replacing = frozenset({"Strategy"})
    properties = replacing

    def create(self, place: Place, properties: Tree) -> str:
        name = place.name()
        call(
            "ec2",
            "create_placement_group",
            GroupName=name,
            **tagged(place, "placement-group", properties),
            **chosen(properties, "Strategy"),
        )
        return name

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ec2", "delete_placement_group", GroupName=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        return physical_id if name == "GroupName" else super().attribute(physical_id, name)


@register
class Endpoint(ResourceType):
    type_name = "AWS::EC2::VPCEndpoint"
    replacing = frozenset({"ServiceName", "VpcId", "VpcEndpointType"})
    lists: ClassVar = {
        "RouteTableIds": "RouteTableIds",
        "SubnetIds": "SubnetIds",
        "SecurityGroupIds": "SecurityGroupIds",
    }
    properties = replacing | set(lists) | {"PrivateDnsEnabled", "PolicyDocument", "Tags"}
    required = frozenset({"ServiceName", "VpcId"})

    def create(self, place: Place, properties: Tree) -> str:
        given = {k: v for k, v in properties.items() if k not in ("PolicyDocument", "Tags")}
        kind = properties.get("VpcEndpointType", "Gateway")
        given = {**given, "VpcEndpointType": kind, **_policy(properties)}
        given |= tagged(place, "vpc-endpoint", properties)
        made = call("ec2", "create_vpc_endpoint", **given)
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if old:
            changed = _policy(new) if _policy(new) != _policy(old) else {}
            if new.get("PrivateDnsEnabled") != old.get("PrivateDnsEnabled"):
                changed["PrivateDnsEnabled"] = new.get("PrivateDnsEnabled", False)
            for name in self.lists:
                before, after = set(old.get(name, [])), set(new.get(name, []))
                changed |= {f"Add{name}": sorted(after - before)} if after - before else {}
                changed |= {f"Remove{name}": sorted(before - after)} if before - after else {}
            if changed:
                call("ec2", "modify_vpc_endpoint", VpcEndpointId=physical_id, **changed)
        bring_tags(place, physical_id, old, new)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("ec2", "delete_vpc_endpoints", VpcEndpointIds=[physical_id])

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "Id":
            return physical_id
        if name == "DnsEntries":
            found = call("ec2", "describe_vpc_endpoints", VpcEndpointIds=[physical_id])
            entries = found["VpcEndpoints"][0]["DnsEntries"]
            return [f"{entry['HostedZoneId']}:{entry['DnsName']}" for entry in entries]
        return super().attribute(physical_id, name)


def _policy(properties: Tree) -> Tree:
    if "PolicyDocument" not in properties:
        return {}
    return {"PolicyDocument": json.dumps(properties["PolicyDocument"])}
