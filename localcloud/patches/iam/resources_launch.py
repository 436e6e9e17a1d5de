"""What one RunInstances uses and creates, as IAM sees it.

Follows RunInstances in "Actions, resources, and condition keys for Amazon EC2"
(https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html) and
"Control access to launching instances" of the EC2 User Guide: it needs permission on every resource
that it uses or creates, placement group and capacity reservation included, as on its template's.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from localcloud.patches.placement_groups import groups_of

Tree = dict[str, Any]


class Names(Protocol):
    """One account and region's EC2, as its ARNs and tags."""

    backend: Any

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of a resource of some kind."""

    def arn_of(self, resource_id: str) -> str:
        """Return the ARN of a resource, whose kind its id says."""

    def tags(self, resource_id: str) -> dict[str, Any]:
        """Return the condition keys of a resource's tags."""


class Launch:
    """What one RunInstances launches, with its launch template merged in."""

    def __init__(self, namer: Names, parameters: Tree, given: Tree, template: str | None) -> None:
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
        keys = {
            **namer.tags(str(image)),
            "ec2:ImageID": str(image),
            "ec2:Owner": self._owner(image),
        }
        yield namer.arn("image", str(image)), {**keys, "ec2:IsLaunchTemplateResource": own_image}
        yield from self._network()
        key_name, own_key = self._both("KeyName")
        if key_name:
            yield namer.arn("key-pair", key_name), {"ec2:IsLaunchTemplateResource": own_key}
        market, own_market = self._both("InstanceMarketOptions")
        if market and market.get("MarketType") == "spot":
            own = {"ec2:IsLaunchTemplateResource": own_market}
            yield namer.arn("spot-instances-request", "*"), own
        yield from self._places()
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

    def _owner(self, image: Any) -> str | None:
        found = self.namer.backend.amis.get(image)
        return str(found.owner_id) if found else None

    def _places(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the placement group and the capacity reservation."""
        placement, own = self._both("Placement")
        if name := (placement or {}).get("GroupName"):
            group = groups_of(self.namer.backend).get(name, {"GroupId": ""})
            keys = self.namer.tags(group["GroupId"])
            yield (
                self.namer.arn("placement-group", name),
                {**keys, "ec2:IsLaunchTemplateResource": own},
            )
        reserved, own = self._both("CapacityReservationSpecification")
        target = (reserved or {}).get("CapacityReservationTarget") or {}
        if found := target.get("CapacityReservationId"):
            yield (
                self.namer.arn("capacity-reservation", found),
                {**self.namer.tags(found), "ec2:IsLaunchTemplateResource": own},
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
