"""Name the resources of an EC2 request, with the condition keys that policies can use.

Follows "Actions, resources, and condition keys for Amazon EC2" of the Service Authorization
Reference (docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html) and
"Control access to launching instances" of the EC2 User Guide: RunInstances needs permission on
every resource that it uses or creates, tagging at launch needs CreateTags, and a profile needs
PassRole.
"""

from collections.abc import Iterator
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends

Tree = dict[str, Any]
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
            return [(full, self.arn("instance", one), self.tags(one)) for one in ids]
        if action in ON_TEMPLATES:
            template = self._template(parameters)
            return [(full, self.arn("launch-template", template), self.tags(template))]
        return []

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


class Launch:
    """What one RunInstances launches, with its launch template merged in."""

    def __init__(self, namer: Namer, parameters: Tree, given: Tree, template: str | None) -> None:
        self.namer, self.parameters, self.given, self.template = namer, parameters, given, template

    def common(self) -> dict[str, Any]:
        """Return the keys that all resources of the launch have."""
        if self.template is None:
            return {}
        return {"ec2:LaunchTemplate": self.namer.arn("launch-template", self.template)}

    def _both(self, name: str) -> tuple[Any, str]:
        """Return a value and whether it is the template's own: not given in the request."""
        own = self.template is not None and not self.parameters.get(name)
        return self.parameters.get(name) or self.given.get(name), str(own).lower()

    def resources(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each resource that is used or made, with its own keys."""
        namer = self.namer
        if self.template:
            own = {"ec2:IsLaunchTemplateResource": "false"}
            yield namer.arn("launch-template", self.template), {**namer.tags(self.template), **own}
        image, own_image = self._both("ImageId")
        keys = {**namer.tags(str(image)), "ec2:ImageID": str(image)}
        yield namer.arn("image", str(image)), {**keys, "ec2:IsLaunchTemplateResource": own_image}
        yield from self._network()
        key_name, own_key = self._both("KeyName")
        if key_name:
            yield namer.arn("key-pair", key_name), {"ec2:IsLaunchTemplateResource": own_key}
        market, own_market = self._both("InstanceMarketOptions")
        if market and market.get("MarketType") == "spot":
            own = {"ec2:IsLaunchTemplateResource": own_market}
            yield namer.arn("spot-instances-request", "*"), own
        kind, own_kind = self._both("InstanceType")
        for made in ("instance", "network-interface", "volume"):
            request = request_tags(self.tags_by_kind().get(made, []))
            more = {"ec2:InstanceType": str(kind)} if made == "instance" else {}
            yield (
                namer.arn(made, "*"),
                {
                    **request,
                    **more,
                    "ec2:IsLaunchTemplateResource": own_kind,
                },
            )

    def _network(self) -> Iterator[tuple[str, dict[str, Any]]]:
        namer, seen = self.namer, set()
        for resource_id, own in self._network_ids():
            if resource_id in seen:
                continue
            seen.add(resource_id)
            keys: dict[str, Any] = {"ec2:IsLaunchTemplateResource": own}
            if resource_id.startswith("subnet-"):
                keys["ec2:SubnetID"] = resource_id
                subnet = self._subnet(resource_id)
                if subnet is not None:
                    keys["ec2:Vpc"] = namer.arn("vpc", subnet.vpc_id)
                    keys["ec2:AvailabilityZone"] = subnet.availability_zone
            else:
                keys["ec2:SecurityGroupID"] = resource_id
            yield namer.arn_of(resource_id), {**namer.tags(resource_id), **keys}

    def _subnet(self, subnet_id: str) -> Any:
        for zone in self.namer.backend.subnets.values():
            if subnet_id in zone:
                return zone[subnet_id]
        return None

    def _network_ids(self) -> Iterator[tuple[str, str]]:
        """Yield each subnet and group with whether the template itself brings it."""
        interfaces, own = self._both("NetworkInterfaces")
        for one in interfaces or []:
            named = [one.get("SubnetId"), *(one.get("Groups") or [])]
            yield from ((item, own) for item in named if item)
        subnet, own_subnet = self._both("SubnetId")
        if subnet:
            yield subnet, own_subnet
        groups, own_groups = self._both("SecurityGroupIds")
        yield from ((group, own_groups) for group in groups or [])

    def tags_by_kind(self) -> dict[str, list[Tree]]:
        """Return the tags that the launch gives, by the type of what they go on."""
        found: dict[str, list[Tree]] = {}
        for source in (self.given, self.parameters):
            for spec in source.get("TagSpecifications") or []:
                found.setdefault(spec["ResourceType"], []).extend(spec.get("Tags") or [])
        return found

    def profile(self) -> Tree:
        """Return the instance profile, as named by the request or its template."""
        return dict(self._both("IamInstanceProfile")[0] or {})


def request_tags(tags: list[Tree]) -> dict[str, Any]:
    """Return the keys that tags in a request come with."""
    found: dict[str, Any] = {f"aws:RequestTag/{t['Key']}": t.get("Value") or "" for t in tags}
    if tags:
        found["aws:TagKeys"] = tuple(tag["Key"] for tag in tags)
    return found


def pass_roles(account: str, profile: Tree) -> Iterator[Named]:
    """Yield the PassRole that giving an instance this profile needs."""
    for held in iam_backends[account]["aws"].instance_profiles.values():
        if profile and profile.get("Arn", profile.get("Name")) in (held.arn, held.name):
            for role in held.roles:
                yield "iam:PassRole", role.arn, {"iam:PassedToService": "ec2.amazonaws.com"}
