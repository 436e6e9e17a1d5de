"""Name the resources of an EC2 request, with the condition keys that policies can use.

Follows "Actions, resources, and condition keys for Amazon EC2" of the Service Authorization
Reference (docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html) and
"Control access to launching instances" of the EC2 User Guide: tagging at launch needs CreateTags,
and a profile needs PassRole. What RunInstances needs: ``resources_launch``.
"""

from collections.abc import Iterator
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends

from localcloud.patches.iam.resources_images import copied, made, shared_with
from localcloud.patches.iam.resources_launch import Launch, Tree, request_tags
from localcloud.patches.iam.resources_network import CREATES, DELETES_NAMED, NAMED, TOUCHES
from localcloud.patches.placement_groups import groups_of

Named = tuple[str, str, dict[str, Any]]  # action, ARN, condition keys

PREFIXES = {
    "i": "instance",
    "ami": "image",
    "snap": "snapshot",
    "vol": "volume",
    "sg": "security-group",
    "subnet": "subnet",
    "vpc": "vpc",
    "lt": "launch-template",
    "eni": "network-interface",
    "key": "key-pair",
    "rtb": "route-table",
    "igw": "internet-gateway",
    "nat": "natgateway",
    "eipalloc": "elastic-ip",
    "vpce": "vpc-endpoint",
    "pg": "placement-group",
}
ACCOUNTLESS = ("image", "snapshot")
ON_INSTANCES = (
    "TerminateInstances",
    "StopInstances",
    "StartInstances",
    "RebootInstances",
    "ModifyInstanceAttribute",
    "ModifyInstanceMetadataOptions",
    "CreateImage",
    "GetConsoleOutput",
)
ON_TEMPLATES = (
    "CreateLaunchTemplateVersion",
    "DeleteLaunchTemplate",
    "DeleteLaunchTemplateVersions",
    "ModifyLaunchTemplate",
)


class Namer:
    """One account and region's EC2, as its ARNs and tags."""

    def __init__(self, account: str, region: str) -> None:
        self.account, self.region = account, region
        self.backend: Any = ec2_backends[account][region]

    def arn(self, kind: str, name: str) -> str:
        account = "" if kind in ACCOUNTLESS else self.account
        return f"arn:aws:ec2:{self.region}:{account}:{kind}/{name}"

    def arn_of(self, resource_id: str) -> str:
        return self.arn(PREFIXES[resource_id.rsplit("-", 1)[0]], resource_id)

    def tags(self, resource_id: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in self.backend.tags.get(resource_id, {}).items():
            found[f"aws:ResourceTag/{key}"] = found[f"ec2:ResourceTag/{key}"] = value
        return found

    def names(self, action: str, parameters: Tree) -> list[Named]:
        """Return what one request touches; none means that the action takes no resource."""
        full = f"ec2:{action}"
        if action == "RunInstances":
            return list(self._launch(parameters))
        if action in ("CreateTags", "DeleteTags"):
            request = request_tags(parameters.get("Tags") or [])
            return [
                (full, self.arn_of(one), {**self.tags(one), **request})
                for one in parameters.get("Resources") or []
            ]
        if action in ON_INSTANCES:
            ids = parameters.get("InstanceIds") or [parameters.get("InstanceId", "*")]
            named = [(full, self.arn("instance", one), self.tags(one)) for one in ids]
            return [*named, *(made(action, self, parameters) if action == "CreateImage" else ())]
        if action in ON_TEMPLATES:
            template = self._template(parameters)
            return [(full, self.arn("launch-template", template), self.tags(template))]
        if action == "CopyImage":
            return list(copied(self, parameters))
        return list(self._touched(action, parameters)) + list(self._created(action, parameters))

    def _touched(self, action: str, parameters: Tree) -> Iterator[Named]:
        full = f"ec2:{action}"
        for parameter in TOUCHES.get(action, ()):
            given = parameters.get(parameter) or []
            for one in given if isinstance(given, list) else [given]:
                for resource in self._associated(one):
                    keys = self.tags(resource) | shared_with(action, parameters)
                    yield full, self.arn_of(resource), keys
        if kind := DELETES_NAMED.get(action):
            name = str(parameters.get(NAMED[kind]) or "*")
            yield full, self.arn(kind, name), self.tags(self._id_of(kind, name))

    def _created(self, action: str, parameters: Tree) -> Iterator[Named]:
        kind = CREATES.get(action)
        if kind is None:
            return
        name = str(parameters.get(NAMED.get(kind, "")) or "*")
        tags = [t for s in parameters.get("TagSpecifications") or [] for t in s.get("Tags") or []]
        yield f"ec2:{action}", self.arn(kind, name), request_tags(tags)
        if tags:
            keys = {**request_tags(tags), "ec2:CreateAction": action}
            yield "ec2:CreateTags", self.arn(kind, name), keys

    def _associated(self, resource_id: str) -> list[str]:
        """Return a resource; of an association of a route table: the table and its subnet."""
        if not resource_id.startswith("rtbassoc-"):
            return [resource_id]
        for table in self.backend.route_tables.values():
            for association in table.associations:
                if association["RouteTableAssociationId"] == resource_id:
                    return [table.id, association["SubnetId"]]
        return []

    def _id_of(self, kind: str, name: str) -> str:
        """Return the id, which has the tags, of what EC2 knows by its name."""
        if kind == "key-pair":
            pair = self.backend.key_pairs.get(name)
            return str(pair.id) if pair else name
        group = groups_of(self.backend).get(name)
        return str(group["GroupId"]) if group else name

    def _template(self, parameters: Tree) -> str:
        if found := parameters.get("LaunchTemplateId"):
            return str(found)
        name = parameters.get("LaunchTemplateName", "")
        return str(self.backend.launch_template_name_to_ids.get(name, "*"))

    def _launch(self, parameters: Tree) -> Iterator[Named]:
        given, template = self._template_data(parameters.get("LaunchTemplate") or {})
        launch = Launch(self, parameters, given, template)
        for arn, keys in launch.resources():
            yield "ec2:RunInstances", arn, {**launch.common(), **keys}
        for kind, tags in launch.tags_by_kind().items():
            keys = {**request_tags(tags), "ec2:CreateAction": "RunInstances"}
            yield "ec2:CreateTags", self.arn(kind, "*"), keys
        yield from pass_roles(self.account, launch.profile())

    def _template_data(self, named: Tree) -> tuple[Tree, str | None]:
        if not named:
            return {}, None
        template = self._template(named)
        if template not in self.backend.launch_templates:
            return {}, template
        held = self.backend.launch_templates[template]
        try:
            version = held.get_version(str(named.get("Version") or "$Default"))
        except ServiceException:  # the launch itself will report it
            return {}, template
        return dict(version.data), template


def pass_roles(account: str, profile: Tree) -> Iterator[Named]:
    """Yield the PassRole that giving an instance this profile needs."""
    for held in iam_backends[account]["aws"].instance_profiles.values():
        if profile and profile.get("Arn", profile.get("Name")) in (held.arn, held.name):
            for role in held.roles:
                yield "iam:PassRole", role.arn, {"iam:PassedToService": "ec2.amazonaws.com"}
