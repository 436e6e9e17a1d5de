"""AWS::ElasticLoadBalancingV2 and AWS::Route53 types.

Properties and update behaviour:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ElasticLoadBalancingV2.html and
AWS_Route53.html.
"""

from typing import Any

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Place, ResourceType, register
from localcloud.patches.cloudformation.types_vpc import chosen
from localcloud.patches.internal import call

LONGEST_NAME = 32  # of a load balancer or target group


def _tags(place: Place, properties: Tree) -> Tree:
    """Return the tags to create with; the API takes no empty list."""
    tags = place.tags(properties)
    return {"Tags": tags} if tags else {}


def _bring_tags(place: Place, arn: str, old: Tree, new: Tree) -> None:
    removed, tags = place.tag_changes(old, new)
    if removed:
        call("elbv2", "remove_tags", ResourceArns=[arn], TagKeys=removed)
    if tags:
        call("elbv2", "add_tags", ResourceArns=[arn], Tags=tags)


@register
class LoadBalancer(ResourceType):
    type_name = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    replacing = frozenset({"Name", "Scheme", "Type"})
    properties = replacing | {
        "IpAddressType",
        "LoadBalancerAttributes",
        "SecurityGroups",
        "SubnetMappings",
        "Subnets",
        "Tags",
    }

    def create(self, place: Place, properties: Tree) -> str:
        given = {
            key: value
            for key, value in properties.items()
            if key not in ("Name", "LoadBalancerAttributes", "Tags")
        }
        name = properties.get("Name") or place.name(LONGEST_NAME)
        made = call("elbv2", "create_load_balancer", Name=name, **given, **_tags(place, properties))
        return str(made["LoadBalancers"][0]["LoadBalancerArn"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        arn = {"LoadBalancerArn": physical_id}
        if attributes := new.get("LoadBalancerAttributes"):
            call("elbv2", "modify_load_balancer_attributes", **arn, Attributes=attributes)
        if old and new.get("Subnets") != old.get("Subnets"):
            call("elbv2", "set_subnets", **arn, Subnets=new["Subnets"])
        if old and new.get("SecurityGroups") != old.get("SecurityGroups"):
            call("elbv2", "set_security_groups", **arn, SecurityGroups=new["SecurityGroups"])
        _bring_tags(place, physical_id, old, new)

    def is_ready(self, physical_id: str) -> bool:
        return bool(self._found(physical_id)["State"]["Code"] == "active")

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("elbv2", "delete_load_balancer", LoadBalancerArn=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        found = self._found(physical_id)
        known = {
            "LoadBalancerArn": physical_id,
            "LoadBalancerFullName": physical_id.split(":loadbalancer/")[-1],
            "LoadBalancerName": found["LoadBalancerName"],
            "DNSName": found["DNSName"],
            "CanonicalHostedZoneID": found.get("CanonicalHostedZoneId"),
            "SecurityGroups": found.get("SecurityGroups", []),
        }
        return known[name] if name in known else super().attribute(physical_id, name)

    def _found(self, arn: str) -> Tree:
        found: Tree = call("elbv2", "describe_load_balancers", LoadBalancerArns=[arn])
        balancer: Tree = found["LoadBalancers"][0]
        return balancer


_CHECKS = (
    "HealthCheckEnabled",
    "HealthCheckIntervalSeconds",
    "HealthCheckPath",
    "HealthCheckPort",
    "HealthCheckProtocol",
    "HealthCheckTimeoutSeconds",
    "HealthyThresholdCount",
    "UnhealthyThresholdCount",
    "Matcher",
)


@register
class TargetGroup(ResourceType):
    type_name = "AWS::ElasticLoadBalancingV2::TargetGroup"
    replacing = frozenset({"Name", "Port", "Protocol", "TargetType", "VpcId"})
    properties = replacing | set(_CHECKS) | {"TargetGroupAttributes", "Tags"}

    def create(self, place: Place, properties: Tree) -> str:
        made = call(
            "elbv2",
            "create_target_group",
            Name=properties.get("Name") or place.name(LONGEST_NAME),
            **_tags(place, properties),
            **chosen(properties, "Port", "Protocol", "TargetType", "VpcId", *_CHECKS),
        )
        return str(made["TargetGroups"][0]["TargetGroupArn"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        arn = {"TargetGroupArn": physical_id}
        if old and chosen(new, *_CHECKS) != chosen(old, *_CHECKS):
            call("elbv2", "modify_target_group", **arn, **chosen(new, *_CHECKS))
        if attributes := new.get("TargetGroupAttributes"):
            call("elbv2", "modify_target_group_attributes", **arn, Attributes=attributes)
        _bring_tags(place, physical_id, old, new)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("elbv2", "delete_target_group", TargetGroupArn=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        full = physical_id.split(":")[-1]
        known = {
            "TargetGroupArn": physical_id,
            "TargetGroupFullName": full,
            "TargetGroupName": full.split("/")[1],
        }
        return known.get(name) or super().attribute(physical_id, name)


@register
class Listener(ResourceType):
    type_name = "AWS::ElasticLoadBalancingV2::Listener"
    replacing = frozenset({"LoadBalancerArn"})
    properties = replacing | {
        "Port",
        "Protocol",
        "DefaultActions",
        "Certificates",
        "SslPolicy",
        "ListenerAttributes",
    }
    required = frozenset({"LoadBalancerArn", "DefaultActions"})
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        given = {key: value for key, value in properties.items() if key != "ListenerAttributes"}
        made = call("elbv2", "create_listener", **given)
        return str(made["Listeners"][0]["ListenerArn"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        arn, apart = {"ListenerArn": physical_id}, ("LoadBalancerArn", "ListenerAttributes")
        if old:
            changed = {key: value for key, value in new.items() if key not in apart}
            call("elbv2", "modify_listener", **arn, **changed)
        if attributes := new.get("ListenerAttributes"):
            call("elbv2", "modify_listener_attributes", **arn, Attributes=attributes)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("elbv2", "delete_listener", ListenerArn=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        return physical_id if name == "ListenerArn" else super().attribute(physical_id, name)


@register
class HostedZone(ResourceType):
    type_name = "AWS::Route53::HostedZone"
    replacing = frozenset({"Name"})
    properties = frozenset({"Name", "HostedZoneConfig", "HostedZoneTags", "VPCs"})
    required = frozenset({"Name"})

    def create(self, place: Place, properties: Tree) -> str:
        vpcs = properties.get("VPCs", [])
        config = properties.get("HostedZoneConfig", {})
        given: Tree = {"HostedZoneConfig": {**config, "PrivateZone": bool(vpcs)}}
        if vpcs:
            given["VPC"] = vpcs[0]
        made = call(
            "route53",
            "create_hosted_zone",
            Name=properties["Name"],
            CallerReference=place.name(),
            **given,
        )
        return str(made["HostedZone"]["Id"]).split("/")[-1]

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        zone = {"HostedZoneId": physical_id}
        before = old.get("VPCs", []) if old else new.get("VPCs", [])[:1]
        for vpc in new.get("VPCs", []):
            if vpc not in before:
                call("route53", "associate_vpc_with_hosted_zone", **zone, VPC=vpc)
        for vpc in before:
            if vpc not in new.get("VPCs", []):
                call("route53", "disassociate_vpc_from_hosted_zone", **zone, VPC=vpc)
        if old and old.get("HostedZoneConfig") != new.get("HostedZoneConfig"):
            comment = new.get("HostedZoneConfig", {}).get("Comment", "")
            call("route53", "update_hosted_zone_comment", Id=physical_id, Comment=comment)
        self._bring_tags(place, physical_id, old, new)

    def _bring_tags(self, place: Place, zone: str, old: Tree, new: Tree) -> None:
        before, after = ({"Tags": one.get("HostedZoneTags", [])} for one in (old, new))
        removed, tags = place.tag_changes(before, after)
        changed: Tree = {"AddTags": tags} if tags else {}
        changed |= {"RemoveTagKeys": removed} if removed else {}
        if changed:
            resource = {"ResourceType": "hostedzone", "ResourceId": zone}
            call("route53", "change_tags_for_resource", **resource, **changed)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("route53", "delete_hosted_zone", Id=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "Id":
            return physical_id
        if name == "NameServers":
            found = call("route53", "get_hosted_zone", Id=physical_id)
            return found.get("DelegationSet", {}).get("NameServers", [])
        return super().attribute(physical_id, name)


@register
class RecordSet(ResourceType):
    type_name = "AWS::Route53::RecordSet"
    replacing = frozenset({"Name", "HostedZoneId", "HostedZoneName", "Type"})
    properties = replacing | {"AliasTarget", "ResourceRecords", "TTL", "Comment"}
    required = frozenset({"Name", "Type"})
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        self._change("CREATE", properties)
        return str(properties["Name"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if old:
            self._change("UPSERT", new)

    def delete(self, physical_id: str, properties: Tree) -> None:
        self._change("DELETE", properties)

    def _change(self, action: str, properties: Tree) -> None:
        record = chosen(properties, "Name", "Type", "TTL")
        if "ResourceRecords" in properties:
            record["ResourceRecords"] = [{"Value": v} for v in properties["ResourceRecords"]]
        if "AliasTarget" in properties:
            record["AliasTarget"] = {"EvaluateTargetHealth": False, **properties["AliasTarget"]}
        call(
            "route53",
            "change_resource_record_sets",
            HostedZoneId=properties.get("HostedZoneId") or self._zone(properties["HostedZoneName"]),
            ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]},
        )

    def _zone(self, name: str) -> str:
        found = call("route53", "list_hosted_zones_by_name", DNSName=name)["HostedZones"]
        zone = next(zone for zone in found if zone["Name"].rstrip(".") == name.rstrip("."))
        return str(zone["Id"]).split("/")[-1]
