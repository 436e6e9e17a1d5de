"""AWS::ElastiCache types, and the one property that may be a secret.

Properties and update behaviour:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_ElastiCache.html. AuthToken may
be a reference to a SecureString; CloudFormation stores and compares only the reference:
docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-ssm-secure-strings.html
"""

import re
from typing import Any

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Failed, Place, ResourceType, register
from localcloud.patches.cloudformation.types_vpc import chosen
from localcloud.patches.internal import call

SECURE = re.compile(r"\{\{resolve:ssm-secure:([\w./-]+)(:\d+)?\}\}")


def _revealed(reference: str) -> str:
    """Return the value of a referenced SecureString; anything else is refused."""
    found = SECURE.fullmatch(reference)
    if not found:
        raise Failed("the local cloud accepts AuthToken only as {{resolve:ssm-secure:…}}")
    name = found[1] + (found[2] or "")
    parameter = call("ssm", "get_parameter", Name=name, WithDecryption=True)["Parameter"]
    if parameter["Type"] != "SecureString":
        raise Failed(f"Non-secure parameter {name} in an ssm-secure dynamic reference")
    return str(parameter["Value"])


@register
class SubnetGroup(ResourceType):
    type_name = "AWS::ElastiCache::SubnetGroup"
    replacing = frozenset({"CacheSubnetGroupName"})
    required = frozenset({"Description", "SubnetIds"})
    properties = replacing | required | {"Tags"}

    def create(self, place: Place, properties: Tree) -> str:
        name = properties.get("CacheSubnetGroupName") or place.name(255).lower()
        call(
            "elasticache",
            "create_cache_subnet_group",
            CacheSubnetGroupName=name,
            CacheSubnetGroupDescription=properties["Description"],
            SubnetIds=properties["SubnetIds"],
            Tags=place.tags(properties),
        )
        return str(name)

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if old and chosen(old, *self.required) != chosen(new, *self.required):
            raise Failed("the local cloud does not change subnet groups of ElastiCache")

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("elasticache", "delete_cache_subnet_group", CacheSubnetGroupName=physical_id)


@register
class ReplicationGroup(ResourceType):
    type_name = "AWS::ElastiCache::ReplicationGroup"
    replacing = frozenset(
        {"AtRestEncryptionEnabled", "CacheSubnetGroupName", "Port", "ReplicationGroupId"}
    )
    settable = frozenset(
        {"AutomaticFailoverEnabled", "CacheNodeType", "Engine", "ReplicationGroupDescription"}
    )
    made = replacing | settable
    made |= {"EngineVersion", "NumCacheClusters", "SecurityGroupIds", "TransitEncryptionEnabled"}
    properties = made | {"AuthToken", "Tags"}
    required = frozenset({"ReplicationGroupDescription"})
    attributes = frozenset({"PrimaryEndPoint.Address", "PrimaryEndPoint.Port"})

    def create(self, place: Place, properties: Tree) -> str:
        request = {"ReplicationGroupId": place.name(40).lower()} | chosen(properties, *self.made)
        if "AuthToken" in properties:
            request["AuthToken"] = _revealed(properties["AuthToken"])
        tags = place.tags(properties)
        made = call("elasticache", "create_replication_group", Tags=tags, **request)
        return str(made["ReplicationGroup"]["ReplicationGroupId"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        fixed = self.properties - self.settable - self.replacing - {"AuthToken", "Tags"}
        if old and chosen(old, *fixed) != chosen(new, *fixed):
            raise Failed(f"the local cloud changes only {sorted(self.settable)} of ElastiCache")
        if old:
            if ("AuthToken" in old) != ("AuthToken" in new):
                raise Failed(
                    "the local cloud neither adds nor removes the AuthToken of ElastiCache"
                )
            changed = chosen(new, *self.settable)
            if chosen(old, "AuthToken") != chosen(new, "AuthToken"):
                changed["AuthToken"] = _revealed(new["AuthToken"])
                changed["AuthTokenUpdateStrategy"] = "ROTATE"
            group = {"ReplicationGroupId": physical_id}
            call("elasticache", "modify_replication_group", **group, **changed)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("elasticache", "delete_replication_group", ReplicationGroupId=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name in self.attributes:
            endpoint = self._group(physical_id)["NodeGroups"][0]["PrimaryEndpoint"]
            return endpoint[name.removeprefix("PrimaryEndPoint.")]
        return super().attribute(physical_id, name)

    def is_ready(self, physical_id: str) -> bool:
        return bool(self._group(physical_id)["Status"] == "available")

    def _group(self, physical_id: str) -> Tree:
        group = {"ReplicationGroupId": physical_id}
        found: Tree = call("elasticache", "describe_replication_groups", **group)
        return dict(found["ReplicationGroups"][0])
