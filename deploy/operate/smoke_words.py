"""Where the smoke job ran, in words. Pure: no AWS."""

from collections.abc import Iterable, Mapping

from deploy.cluster.instances import Instance
from deploy.verify.smoke import Participant


def smoke_words(
    present: Iterable[Participant], instances: Mapping[str, Instance], groups: Iterable[str]
) -> list[str]:
    """Return a line for each node that took part, and one for each group without a worker.

    ``instances`` are by address.
    """
    lines = [_ran(one, instances.get(one.address)) for one in present]
    there = {instance.group for instance in instances.values()}
    return lines + [f"group {group}: no worker now" for group in sorted(set(groups) - there)]


def _ran(one: Participant, instance: Instance | None) -> str:
    name = f"{instance.role} {instance.id}" if instance else "a new node"
    group = f" of {instance.group}" if instance and instance.group else ""
    return f"{name}{group} {one.address} ran it as Ray node {one.node_id[:12]}"
