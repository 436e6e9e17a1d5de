"""AWS::KMS types.

Properties and update behaviour:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_KMS.html.
"""

import json
from typing import Any

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Place, ResourceType, register
from localcloud.patches.internal import call

DAYS = 30  # until a deleted key is gone, unless PendingWindowInDays says otherwise


@register
class Key(ResourceType):
    type_name = "AWS::KMS::Key"
    replacing = frozenset({"KeySpec", "KeyUsage"})
    properties = replacing | {"Description", "KeyPolicy", "Tags"}
    attributes = frozenset({"Arn", "KeyId"})

    def create(self, place: Place, properties: Tree) -> str:
        given = {name: properties[name] for name in sorted(self.replacing) if name in properties}
        policy = json.dumps(properties["KeyPolicy"])
        made = call("kms", "create_key", Policy=policy, **given)
        return str(made["KeyMetadata"]["KeyId"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        key = {"KeyId": physical_id}
        call("kms", "update_key_description", **key, Description=new.get("Description", ""))
        if old and new["KeyPolicy"] != old.get("KeyPolicy"):
            policy = json.dumps(new["KeyPolicy"])
            call("kms", "put_key_policy", **key, PolicyName="default", Policy=policy)
        if tags := place.tags(new):
            pairs = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in tags]
            call("kms", "tag_resource", **key, Tags=pairs)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("kms", "schedule_key_deletion", KeyId=physical_id, PendingWindowInDays=DAYS)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "Arn":
            return call("kms", "describe_key", KeyId=physical_id)["KeyMetadata"]["Arn"]
        return physical_id if name == "KeyId" else super().attribute(physical_id, name)


@register
class Alias(ResourceType):
    type_name = "AWS::KMS::Alias"
    replacing = frozenset({"AliasName"})
    properties = replacing | {"TargetKeyId"}

    def create(self, place: Place, properties: Tree) -> str:
        name = str(properties["AliasName"])
        call("kms", "create_alias", AliasName=name, TargetKeyId=properties["TargetKeyId"])
        return name

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        if old and old.get("TargetKeyId") != new["TargetKeyId"]:
            target = new["TargetKeyId"]
            call("kms", "update_alias", AliasName=physical_id, TargetKeyId=target)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("kms", "delete_alias", AliasName=physical_id)
