"""What a group promises of each of its workers, and where one differs. Pure: no AWS.

The promises are those of the release: what EC2 launches, and what Ray says of the node. A node
whose resources or labels differ gets tasks that it cannot run, or none of those that wait for it.
"""

from collections.abc import Iterator, Mapping

from common.accelerators import PREFIX
from common.worker_groups import RAYS_LABELS
from deploy.cluster.instances import Instance
from deploy.cluster.ray_api import RayNode
from deploy.release.autoscaler_yaml import DRIVERS
from deploy.release.settings import Group

GIB = 2**30
# Resources that Ray finds by itself on a node: _private/resource_and_label_spec.py and
# _private/accelerators/, Ray 2.60.
FOUND = ("CPU", "GPU", "memory", "object_store_memory", "neuron_cores", "HPU")
FOUND_PREFIXES = ("node:", PREFIX)
# Labels that Ray gives its nodes (_raylet.pyx): the group is RAY_NODE_TYPE_NAME, the accelerator is
# what the driver calls it. A node counts the GPUs that its group gives, also without a driver.
GROUP_LABEL = "ray.io/node-group"
ACCELERATOR_LABEL = "ray.io/accelerator-type"
NAMELESS = (
    "g4ad.",
)  # AMD's Radeon Pro V520: not in Ray's table (_private/accelerators/amd_gpu.py)


def broken_promises(group: Group, instance: Instance, node: RayNode) -> tuple[str, ...]:
    """Return in words where a worker differs from what its group promises; empty where nowhere."""
    return (
        *_launch(group, instance),
        *_resources(group, node),
        *_labels(group, node),
        *_driver(group, instance, node),
    )


def _launch(group: Group, instance: Instance) -> Iterator[str]:
    """Yield what EC2 launched otherwise."""
    if instance.type not in group.instance_types:
        yield f"instance type {instance.type}, not {' or '.join(group.instance_types)}"
    if instance.market not in group.markets:
        yield f"market {instance.market}, not {' or '.join(group.markets)}"
    if group.zones and instance.zone not in group.zones:
        yield f"zone {instance.zone}, not {' or '.join(group.zones)}"
    if instance.ami_id != group.image.ami_id:
        yield f"image {instance.ami_id}, not {group.image.ami_id}"


def _resources(group: Group, node: RayNode) -> Iterator[str]:
    promised: dict[str, float] = {
        "CPU": group.cpus,
        "GPU": group.gpus,
        **dict(group.resources),
    } | DRIVERS
    if group.object_store_gib:
        promised["object_store_memory"] = group.object_store_gib * GIB
    for name, amount in promised.items():
        seen = node.resources.get(name, 0)
        if seen != amount:
            yield f"{name} {_amount(seen)} in Ray, {_amount(amount)} promised"
    for name in sorted(node.resources.keys() - promised.keys()):
        if name not in FOUND and not name.startswith(FOUND_PREFIXES):
            yield f"{name} {_amount(node.resources[name])} in Ray, not promised"


def _labels(group: Group, node: RayNode) -> Iterator[str]:
    promised: Mapping[str, str] = {GROUP_LABEL: group.name, **dict(group.labels)}
    for name, value in promised.items():
        seen = node.labels.get(name)
        if seen != value:
            yield f"label {name} {_value(seen)} in Ray, {_value(value)} promised"
    for name in sorted(node.labels.keys() - promised.keys()):
        if not name.startswith(RAYS_LABELS):
            yield f"label {name} {_value(node.labels[name])} in Ray, not promised"


def _driver(group: Group, instance: Instance, node: RayNode) -> Iterator[str]:
    """Yield what the driver of the GPUs does not say; of several kinds, any name will do."""
    if not group.gpus or instance.type.startswith(NAMELESS):
        return
    promised = [name.removeprefix(PREFIX) for name, _ in group.resources if name.startswith(PREFIX)]
    seen = node.labels.get(ACCELERATOR_LABEL)
    if seen is None:
        yield "no driver of its GPUs answers Ray"
    elif promised and seen not in promised:
        yield f"GPUs {seen} by their driver, {promised[0]} promised"


def _amount(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _value(value: str | None) -> str:
    return "missing" if value is None else value or "empty"
