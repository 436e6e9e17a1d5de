"""Placement groups, which moto does not have.

Follows, in the EC2 API, CreatePlacementGroup, DescribePlacementGroups and DeletePlacementGroup
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreatePlacementGroup.html; "You must
terminate all instances in the placement group before you can delete the placement group") and
"Placement groups" in the EC2 user guide. Only the strategy cluster is here; any other is refused.
"""

from collections.abc import Iterator
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses import EC2Response
from moto.ec2.utils import convert_tag_spec
from moto.moto_api._internal import mock_random

from localcloud.world import World

KIND = "placement-group"


def groups_of(backend: Any) -> dict[str, dict[str, str]]:
    """Return the placement groups of an account's region by their names."""
    found: dict[str, dict[str, str]] = vars(backend).setdefault("placement_groups", {})
    return found


def require_group(backend: Any, name: str) -> dict[str, str]:
    """Return a placement group; raises the error that EC2 answers with for an unknown one."""
    try:
        return groups_of(backend)[name]
    except KeyError as error:
        raise EC2ClientError(
            "InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown."
        ) from error


def _create(self: Any) -> ActionResult:
    name, strategy = self._get_param("GroupName"), self._get_param("Strategy", "cluster")
    if strategy != "cluster":
        raise EC2ClientError(
            "InvalidParameterValue", f"The local cloud has no placement strategy {strategy}."
        )
    groups = groups_of(self.ec2_backend)
    if name in groups:
        raise EC2ClientError(
            "InvalidPlacementGroup.Duplicate", f"The Placement Group '{name}' already exists."
        )
    group_id = f"pg-{mock_random.get_random_hex(17)}"
    groups[name] = {"GroupName": name, "GroupId": group_id, "Strategy": strategy}
    tags = convert_tag_spec(self._get_param("TagSpecifications", [])).get(KIND, {})
    self.ec2_backend.create_tags([group_id], tags)
    return ActionResult({"PlacementGroup": _described(self.ec2_backend, groups[name])})


def _describe(self: Any) -> ActionResult:
    backend, names = self.ec2_backend, self._get_param("GroupNames", [])
    found = [require_group(backend, name) for name in names] or groups_of(backend).values()
    return ActionResult({"PlacementGroups": [_described(backend, group) for group in found]})


def _delete(self: Any) -> EmptyResult:
    name = self._get_param("GroupName")
    require_group(self.ec2_backend, name)
    if any(_instances_in(self.ec2_backend, name)):
        raise EC2ClientError(
            "InvalidPlacementGroup.InUse", f"The placement group '{name}' is in use."
        )
    del groups_of(self.ec2_backend)[name]
    return EmptyResult()


def _instances_in(backend: Any, name: str) -> Iterator[Any]:
    for instance in backend.all_instances():
        placed = getattr(instance, "placement_group", None)
        if placed == name and instance.state != "terminated":
            yield instance


def _described(backend: Any, group: dict[str, str]) -> dict[str, Any]:
    tags = backend.tags.get(group["GroupId"], {})
    return {
        **group,
        "State": "available",
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def install() -> None:
    """Add the actions to moto's."""
    EC2Response.create_placement_group = _create
    EC2Response.describe_placement_groups = _describe
    EC2Response.delete_placement_group = _delete


def attach(world: World) -> None:
    """Nothing happens here by itself."""
