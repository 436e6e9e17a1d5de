"""RunInstances into placement groups: types that cannot be in one, and one zone for all.

Follows "Placement strategies for your placement groups"
(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/placement-strategies.html: "a cluster placement
group can't span multiple Availability Zones", and which types can be in one, as
DescribeInstanceTypes says) and, of "Error codes for the Amazon EC2 API"
(https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html),
InvalidPlacementGroup.Unknown and InvalidPlacementGroup.InUse. The words are EC2's own, as its users
quote them. moto takes no notice of placement groups.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.responses.instances import InstanceResponse

from localcloud.account import ec2_backend
from localcloud.patches.ec2 import ENDED
from localcloud.patches.launch_checks import launch_zone
from localcloud.patches.placement_groups import require_group
from localcloud.world import World


def _check(response: Any, name: str) -> None:
    group = require_group(response.ec2_backend, name)
    kind = response._get_param("InstanceType", "m1.small")
    if group["Strategy"] not in INSTANCE_TYPES[kind]["PlacementGroupInfo"]["SupportedStrategies"]:
        raise EC2ClientError(
            "InvalidParameterCombination",
            f"{group['Strategy'].capitalize()} placement groups are not supported by the '{kind}' "
            "instance type. Specify a supported instance type or change the placement group "
            "strategy, and try again.",
        )
    zone = launch_zone(response)
    for other in _zones_of(name):
        if other != zone:
            raise EC2ClientError(
                "InvalidPlacementGroup.InUse",
                f"The placement group '{name}' is in use in another availability zone: {other}",
            )


def _zones_of(name: str) -> Iterator[str]:
    for instance in ec2_backend().all_instances():
        placed = getattr(instance, "placement_group", "")
        if placed == name and instance.state not in (*ENDED, "stopped"):
            yield str(instance.availability_zone)


@cache
def install() -> None:
    run_instances = InstanceResponse.run_instances

    def run_placed(self: Any) -> Any:
        name = self._get_param("Placement.GroupName")
        if not name:
            return run_instances(self)
        _check(self, name)
        answer = run_instances(self)
        for instance in answer.result.instances:
            instance.placement_group = instance.placement.group_name = name
        return answer

    InstanceResponse.run_instances = run_placed


def attach(world: World) -> None:
    """Nothing happens here by itself."""
