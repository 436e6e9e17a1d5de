"""AWS::IAM types: roles, managed policies, instance profiles, and identity providers.

Properties and update behaviour:
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_IAM.html
"""

import json
from typing import Any

from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import Failed, Place, ResourceType, register
from localcloud.patches.cloudformation.types_vpc import chosen
from localcloud.patches.internal import call


@register
class Role(ResourceType):
    type_name = "AWS::IAM::Role"
    replacing = frozenset({"RoleName", "Path"})
    properties = replacing | {
        "AssumeRolePolicyDocument",
        "Policies",
        "ManagedPolicyArns",
        "Description",
        "MaxSessionDuration",
        "PermissionsBoundary",
        "Tags",
    }
    required = frozenset({"AssumeRolePolicyDocument"})

    def create(self, place: Place, properties: Tree) -> str:
        made = call(
            "iam",
            "create_role",
            RoleName=properties.get("RoleName") or place.name(64),
            AssumeRolePolicyDocument=json.dumps(properties["AssumeRolePolicyDocument"]),
            Tags=place.tags(properties),
            **chosen(
                properties, "Path", "Description", "MaxSessionDuration", "PermissionsBoundary"
            ),
        )
        return str(made["Role"]["RoleName"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        role = {"RoleName": physical_id}
        if old:
            trust = json.dumps(new["AssumeRolePolicyDocument"])
            call("iam", "update_assume_role_policy", **role, PolicyDocument=trust)
            kept = chosen(new, "Description", "MaxSessionDuration")
            call("iam", "update_role", **role, **{"Description": "", **kept})
        if old:
            _bring_boundary(role, old, new)
        _bring_policies(role, old, new)
        removed, tags = place.tag_changes(old, new)
        if removed:
            call("iam", "untag_role", **role, TagKeys=removed)
        if tags:
            call("iam", "tag_role", **role, Tags=tags)

    def delete(self, physical_id: str, properties: Tree) -> None:
        role = {"RoleName": physical_id}
        _bring_policies(role, _still_there(role, properties), {})
        call("iam", "delete_role", **role)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name in ("Arn", "RoleId"):
            return call("iam", "get_role", RoleName=physical_id)["Role"][name]
        return super().attribute(physical_id, name)


def _bring_policies(role: Tree, old: Tree, new: Tree) -> None:
    desired = {policy["PolicyName"]: policy["PolicyDocument"] for policy in new.get("Policies", [])}
    for policy in old.get("Policies", []):
        if policy["PolicyName"] not in desired:
            call("iam", "delete_role_policy", **role, PolicyName=policy["PolicyName"])
    for name, document in desired.items():
        body = json.dumps(document)
        call("iam", "put_role_policy", **role, PolicyName=name, PolicyDocument=body)
    before, after = set(old.get("ManagedPolicyArns", [])), set(new.get("ManagedPolicyArns", []))
    for arn in sorted(before - after):
        call("iam", "detach_role_policy", **role, PolicyArn=arn)
    for arn in sorted(after - before):
        call("iam", "attach_role_policy", **role, PolicyArn=arn)


def _still_there(role: Tree, properties: Tree) -> Tree:
    """Return the policies that a deletion which was refused has left."""
    inline = call("iam", "list_role_policies", **role)["PolicyNames"]
    attached = call("iam", "list_attached_role_policies", **role)["AttachedPolicies"]
    arns = {policy["PolicyArn"] for policy in attached}
    return {
        "Policies": [p for p in properties.get("Policies", []) if p["PolicyName"] in inline],
        "ManagedPolicyArns": [a for a in properties.get("ManagedPolicyArns", []) if a in arns],
    }


def _bring_boundary(role: Tree, old: Tree, new: Tree) -> None:
    before, after = old.get("PermissionsBoundary"), new.get("PermissionsBoundary")
    if after and after != before:
        call("iam", "put_role_permissions_boundary", **role, PermissionsBoundary=after)
    elif before and not after:
        call("iam", "delete_role_permissions_boundary", **role)


@register
class ManagedPolicy(ResourceType):
    type_name = "AWS::IAM::ManagedPolicy"
    replacing = frozenset({"ManagedPolicyName", "Path", "Description"})
    properties = replacing | {"PolicyDocument", "Roles"}
    required = frozenset({"PolicyDocument"})
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        made = call(
            "iam",
            "create_policy",
            PolicyName=properties.get("ManagedPolicyName") or place.name(),
            PolicyDocument=json.dumps(properties["PolicyDocument"]),
            **chosen(properties, "Path", "Description"),
        )
        return str(made["Policy"]["Arn"])

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        policy = {"PolicyArn": physical_id}
        if old and old["PolicyDocument"] != new["PolicyDocument"]:
            _make_room(policy)
            document = json.dumps(new["PolicyDocument"])
            call(
                "iam",
                "create_policy_version",
                **policy,
                PolicyDocument=document,
                SetAsDefault=True,
            )
        before, after = set(old.get("Roles", [])), set(new.get("Roles", []))
        for role in sorted(before - after):
            call("iam", "detach_role_policy", **policy, RoleName=role)
        for role in sorted(after - before):
            call("iam", "attach_role_policy", **policy, RoleName=role)

    def delete(self, physical_id: str, properties: Tree) -> None:
        policy = {"PolicyArn": physical_id}
        for role in properties.get("Roles", []):
            call("iam", "detach_role_policy", **policy, RoleName=role)
        # moto deletes a policy that is attached; IAM answers DeleteConflict.
        if call("iam", "get_policy", **policy)["Policy"]["AttachmentCount"]:
            raise Failed("Cannot delete a policy attached to entities.")
        for version in _other_versions(policy):
            call("iam", "delete_policy_version", **policy, VersionId=version)
        call("iam", "delete_policy", **policy)

    def attribute(self, physical_id: str, name: str) -> Any:
        return physical_id if name == "PolicyArn" else super().attribute(physical_id, name)


def _make_room(policy: Tree) -> None:
    """Delete the oldest version of a policy that has five, the most that IAM keeps."""
    versions = _other_versions(policy)
    if len(versions) == 4:
        call("iam", "delete_policy_version", **policy, VersionId=versions[0])


def _other_versions(policy: Tree) -> list[str]:
    """Return the versions that are not the default one, oldest first."""
    found = call("iam", "list_policy_versions", **policy)["Versions"]
    others = [str(one["VersionId"]) for one in found if not one["IsDefaultVersion"]]
    return sorted(others, key=lambda version: int(version.removeprefix("v")))


@register
class InstanceProfile(ResourceType):
    type_name = "AWS::IAM::InstanceProfile"
    replacing = frozenset({"InstanceProfileName", "Path"})
    properties = replacing | {"Roles"}
    required = frozenset({"Roles"})
    taggable = False

    def create(self, place: Place, properties: Tree) -> str:
        name = properties.get("InstanceProfileName") or place.name()
        call(
            "iam",
            "create_instance_profile",
            InstanceProfileName=name,
            **chosen(properties, "Path"),
        )
        return str(name)

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        profile = {"InstanceProfileName": physical_id}
        before, after = set(old.get("Roles", [])), set(new.get("Roles", []))
        for role in sorted(before - after):
            call("iam", "remove_role_from_instance_profile", **profile, RoleName=role)
        for role in sorted(after - before):
            call("iam", "add_role_to_instance_profile", **profile, RoleName=role)

    def delete(self, physical_id: str, properties: Tree) -> None:
        profile = {"InstanceProfileName": physical_id}
        found = call("iam", "get_instance_profile", **profile)["InstanceProfile"]
        for role in found["Roles"]:
            call("iam", "remove_role_from_instance_profile", **profile, RoleName=role["RoleName"])
        call("iam", "delete_instance_profile", **profile)

    def attribute(self, physical_id: str, name: str) -> Any:
        if name == "Arn":
            found = call("iam", "get_instance_profile", InstanceProfileName=physical_id)
            return found["InstanceProfile"]["Arn"]
        return super().attribute(physical_id, name)


@register
class OidcProvider(ResourceType):
    type_name = "AWS::IAM::OIDCProvider"
    replacing = frozenset({"Url"})
    properties = replacing | {"ClientIdList", "ThumbprintList", "Tags"}

    def create(self, place: Place, properties: Tree) -> str:
        made = call(
            "iam",
            "create_open_id_connect_provider",
            Url=properties["Url"],
            ClientIDList=properties.get("ClientIdList", []),
            ThumbprintList=properties.get("ThumbprintList", []),
            Tags=place.tags(properties),
        )
        return str(made["OpenIDConnectProviderArn"])

    def delete(self, physical_id: str, properties: Tree) -> None:
        arn = {"OpenIDConnectProviderArn": physical_id}
        call("iam", "delete_open_id_connect_provider", **arn)

    def attribute(self, physical_id: str, name: str) -> Any:
        return physical_id if name == "Arn" else super().attribute(physical_id, name)
