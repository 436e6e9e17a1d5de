"""Instances by the thousand: RunInstances launches up to MaxCount, and tags are found quickly.

Follows RunInstances in the EC2 API reference, MaxCount: "the largest possible number of instances
above MinCount" is launched; ``shortages`` has lowered MaxCount to that number. moto launches
MinCount, so that Ray's autoscaler, which asks for 1 to 5, gets one; and to find one instance or its
tags it copies all of them.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix

from localcloud.world import World


def _own_tags(self: Any) -> list[dict[str, str]]:
    """Return a resource's tags, in the shape of DescribeTags."""
    if not self.id:
        return []
    found = self.ec2_backend.tags.get(self.id, {})
    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(self.id), "")
    return [
        {"resource_id": self.id, "key": key, "value": value, "resource_type": kind}
        for key, value in found.items()
    ]


def _get_instance_by_id(self: Any, instance_id: str) -> Any:
    for instance in _instances(self):
        if instance.id == instance_id:
            return instance
    return None


def _all_instances(self: Any, filters: Any = None) -> list[Any]:
    return [instance for instance in _instances(self) if instance.applies(filters)]


def _instances(backend: Any) -> Iterator[Any]:
    for reservation in list(backend.reservations.values()):
        yield from list(reservation.instances)


@cache
def install() -> None:
    """Put these in place of moto's."""
    TaggedEC2Resource.get_tags = _own_tags
    InstanceBackend.get_instance_by_id = _get_instance_by_id
    InstanceBackend.all_instances = _all_instances
    run_instances = InstanceResponse.run_instances

    def run_most(self: Any) -> Any:
        if self._get_param("MaxCount"):
            self.params = {**self.params, "MinCount": self._get_param("MaxCount")}
        return run_instances(self)

    InstanceResponse.run_instances = run_most


def attach(world: World) -> None:
    """Nothing happens here by itself."""
