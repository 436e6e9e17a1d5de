"""AWS::S3 and AWS::DynamoDB types.

Properties and update behaviour:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_S3.html and AWS_DynamoDB.html.
Names differ between a template and the S3 API; what is not mapped here is refused.
"""

import json
from collections.abc import Callable
from typing import Any

from localcloud.account import REGION
from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Failed, Place, ResourceType, register
from localcloud.patches.cloudformation.types_vpc import chosen
from localcloud.patches.internal import call


@register
class Bucket(ResourceType):
    type_name = "AWS::S3::Bucket"
    replacing = frozenset({"BucketName"})
    properties = replacing | {
        "BucketEncryption",
        "LifecycleConfiguration",
        "NotificationConfiguration",
        "OwnershipControls",
        "PublicAccessBlockConfiguration",
        "Tags",
        "VersioningConfiguration",
    }

    def create(self, place: Place, properties: Tree) -> str:
        name = properties.get("BucketName") or place.name(63).lower()
        # us-east-1 is the one that is not named: API_CreateBucket.html, LocationConstraint.
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": place.region}}
        call("s3", "create_bucket", Bucket=name, **(elsewhere if place.region != REGION else {}))
        return str(name)

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        bucket = {"Bucket": physical_id}
        for name, (put, delete, argument, convert) in _BUCKET_PARTS.items():
            if name in new and new[name] != old.get(name):
                call("s3", put, **bucket, **{argument: convert(new[name])})
            elif name in old and name not in new:
                call("s3", delete, **bucket)
        if "VersioningConfiguration" in old and "VersioningConfiguration" not in new:
            off = {"Status": "Suspended"}
            call("s3", "put_bucket_versioning", **bucket, VersioningConfiguration=off)
        elif "VersioningConfiguration" in new:
            versioning = new["VersioningConfiguration"]
            call("s3", "put_bucket_versioning", **bucket, VersioningConfiguration=versioning)
        if old.get("NotificationConfiguration") != new.get("NotificationConfiguration"):
            told = _notifications(new.get("NotificationConfiguration") or {})
            given = {"NotificationConfiguration": told}
            call("s3", "put_bucket_notification_configuration", **bucket, **given)
        if tags := place.tags(new):
            call("s3", "put_bucket_tagging", **bucket, Tagging={"TagSet": tags})

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("s3", "delete_bucket", Bucket=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        known = {
            "Arn": f"arn:aws:s3:::{physical_id}",
            "DomainName": f"{physical_id}.s3.amazonaws.com",
            "RegionalDomainName": f"{physical_id}.s3.us-east-1.amazonaws.com",
        }
        return known.get(name) or super().attribute(physical_id, name)


def _encryption(given: Tree) -> Tree:
    rules = []
    for rule in given["ServerSideEncryptionConfiguration"]:
        made = chosen(rule, "BucketKeyEnabled")
        made["ApplyServerSideEncryptionByDefault"] = rule["ServerSideEncryptionByDefault"]
        rules.append(made)
    return {"Rules": rules}


_DESTINATIONS = {
    "LambdaConfigurations": ("LambdaFunctionConfigurations", "Function", "LambdaFunctionArn"),
    "QueueConfigurations": ("QueueConfigurations", "Queue", "QueueArn"),
    "TopicConfigurations": ("TopicConfigurations", "Topic", "TopicArn"),
}


def _notifications(given: Tree) -> Tree:
    if odd := sorted(set(given) - set(_DESTINATIONS)):
        raise Failed(f"the local cloud has no notification property {odd}")
    found: Tree = {}
    for name, (api_name, key, arn) in _DESTINATIONS.items():
        for one in given.get(name, []):
            made = {arn: one[key], "Events": [one["Event"]]}
            if "Filter" in one:
                made["Filter"] = {"Key": {"FilterRules": one["Filter"]["S3Key"]["Rules"]}}
            found.setdefault(api_name, []).append(made)
    return found


_RULE_KEYS = {
    "Id",
    "Status",
    "Prefix",
    "ExpirationInDays",
    "ExpiredObjectDeleteMarker",
    "NoncurrentVersionExpiration",
    "AbortIncompleteMultipartUpload",
    "Transitions",
}


def _lifecycle(given: Tree) -> Tree:
    rules = []
    for rule in given["Rules"]:
        if odd := sorted(set(rule) - _RULE_KEYS):
            raise Failed(f"the local cloud has no lifecycle rule property {odd}")
        made = {"Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
        made |= {"ID": rule["Id"]} if "Id" in rule else {}
        if "ExpirationInDays" in rule:
            made["Expiration"] = {"Days": rule["ExpirationInDays"]}
        elif "ExpiredObjectDeleteMarker" in rule:
            made["Expiration"] = chosen(rule, "ExpiredObjectDeleteMarker")
        made |= chosen(rule, "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")
        if "Transitions" in rule:
            made["Transitions"] = [
                {"Days": one["TransitionInDays"], "StorageClass": one["StorageClass"]}
                for one in rule["Transitions"]
            ]
        rules.append(made)
    return {"Rules": rules}


_BUCKET_PARTS: dict[str, tuple[str, str, str, Callable[[Tree], Tree]]] = {
    "BucketEncryption": (
        "put_bucket_encryption",
        "delete_bucket_encryption",
        "ServerSideEncryptionConfiguration",
        _encryption,
    ),
    "LifecycleConfiguration": (
        "put_bucket_lifecycle_configuration",
        "delete_bucket_lifecycle",
        "LifecycleConfiguration",
        _lifecycle,
    ),
    "OwnershipControls": (
        "put_bucket_ownership_controls",
        "delete_bucket_ownership_controls",
        "OwnershipControls",
        dict,
    ),
    "PublicAccessBlockConfiguration": (
        "put_public_access_block",
        "delete_public_access_block",
        "PublicAccessBlockConfiguration",
        dict,
    ),
}


@register
class BucketPolicy(ResourceType):
    type_name = "AWS::S3::BucketPolicy"
    replacing = frozenset({"Bucket"})
    properties = frozenset({"Bucket", "PolicyDocument"})
    required = properties
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        self.configure(place, properties["Bucket"], {}, properties)
        return str(properties["Bucket"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        policy = json.dumps(new["PolicyDocument"])
        call("s3", "put_bucket_policy", Bucket=physical_id, Policy=policy)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("s3", "delete_bucket_policy", Bucket=physical_id)


@register
class Table(ResourceType):
    type_name = "AWS::DynamoDB::Table"
    replacing = frozenset({"TableName", "KeySchema"})
    properties = replacing | {
        "AttributeDefinitions",
        "BillingMode",
        "DeletionProtectionEnabled",
        "GlobalSecondaryIndexes",
        "PointInTimeRecoverySpecification",
        "ProvisionedThroughput",
        "SSESpecification",
        "Tags",
        "TimeToLiveSpecification",
    }
    required = frozenset({"KeySchema"})

    def create(self, place: Place, properties: Tree) -> str:
        given = chosen(
            properties,
            *("KeySchema", "AttributeDefinitions", "BillingMode", "ProvisionedThroughput"),
            "GlobalSecondaryIndexes",
        )
        name = properties.get("TableName") or place.name()
        protected = properties.get("DeletionProtectionEnabled", False)
        more: Tree = {"DeletionProtectionEnabled": protected, **_encrypted(properties)}
        call("dynamodb", "create_table", TableName=name, **given, **more)
        return str(name)

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        table = {"TableName": physical_id}
        changed = _changed(
            old, new, "BillingMode", "ProvisionedThroughput", "DeletionProtectionEnabled"
        )
        if old and _encrypted(new) != _encrypted(old):
            changed |= _encrypted(new) or {"SSESpecification": {"Enabled": False}}
        if old and old.get("GlobalSecondaryIndexes") != new.get("GlobalSecondaryIndexes"):
            self._change_indexes(table, old, new)
        if old and changed:
            call("dynamodb", "update_table", **table, **changed)
        if recovery := _changed(old, new, "PointInTimeRecoverySpecification"):
            call("dynamodb", "update_continuous_backups", **table, **recovery)
        if ttl := _changed(old, new, "TimeToLiveSpecification"):
            call("dynamodb", "update_time_to_live", **table, **ttl)
        if tags := place.tags(new):
            arn = self.attribute(physical_id, "Arn")
            call("dynamodb", "tag_resource", ResourceArn=arn, Tags=tags)

    def _change_indexes(self, table: Tree, old: Tree, new: Tree) -> None:
        """Create or delete indexes; one that changes otherwise needs another name."""
        before = {one["IndexName"]: one for one in old.get("GlobalSecondaryIndexes", [])}
        after = {one["IndexName"]: one for one in new.get("GlobalSecondaryIndexes", [])}
        if odd := sorted(n for n in before.keys() & after.keys() if before[n] != after[n]):
            raise Failed(f"GlobalSecondaryIndexes cannot be changed in place: {odd}")
        changes = [{"Delete": {"IndexName": name}} for name in before.keys() - after.keys()]
        changes += [{"Create": after[name]} for name in after.keys() - before.keys()]
        known = chosen(new, "AttributeDefinitions")
        for change in changes:
            updates = [change]
            call("dynamodb", "update_table", **table, **known, GlobalSecondaryIndexUpdates=updates)

    def delete(self, physical_id: str, properties: Tree) -> None:
        call("dynamodb", "delete_table", TableName=physical_id)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "Arn":
            return call("dynamodb", "describe_table", TableName=physical_id)["Table"]["TableArn"]
        return super().attribute(physical_id, name)


_OFF = {
    "DeletionProtectionEnabled": False,
    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False},
}


def _changed(old: Tree, new: Tree, *names: str) -> Tree:
    desired = {name: new.get(name, _OFF.get(name)) for name in names}
    return {k: v for k, v in desired.items() if v is not None and v != old.get(k, _OFF.get(k))}


def _encrypted(properties: Tree) -> Tree:
    given = properties.get("SSESpecification")
    if given is None:
        return {}
    kept = {key: value for key, value in given.items() if key != "SSEEnabled"}
    return {"SSESpecification": {"Enabled": given["SSEEnabled"], **kept}}
