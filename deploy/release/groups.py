"""The settings that an environment asks for, with what each group's nodes offer Ray. No AWS."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from common import nodes as asked_for
from common.accelerators import PREFIX
from common.environment import Environment
from common.errors import Refused
from common.image_settings import ImageSettings
from common.instance_types import TypeFacts
from common.worker_groups import WorkerGroup
from deploy.release.settings import Access, Group, NodeImage, Settings, Volume
from deploy.release.type_checks import mistakes
from node.contract import SPOT


def type_names(environment: Environment) -> frozenset[str]:
    """Return every instance type that the environment names."""
    named = (name for group in environment.workers.values() for name in group.instance_types)
    return frozenset({environment.head.instance_type, *named})


def settings_of(
    environment: Environment, groups: tuple[Group, ...], autoscaler_override: str = "{}"
) -> Settings:
    """Return the settings that an environment asks for."""
    head, nodes = environment.head, environment.nodes
    return Settings(
        head_type=head.instance_type,
        head_volume=volume_of(head.volume, environment.image_named(head.image)),
        head_access=access_of(nodes, head),
        groups=groups,
        tags=tuple(sorted(environment.tags.items())),
        autoscaler_override=autoscaler_override,
        permissions_boundary=nodes.permissions_boundary,
        kms_key=nodes.kms_key,
    )


def volume_of(asked: asked_for.Volume, image: ImageSettings) -> Volume:
    """Return a volume as large as its image's unless another size is asked for."""
    gib = asked.gib or image.volume_gib
    return Volume(gib, asked.iops, asked.throughput, asked.initialization_rate)


def access_of(*tables: asked_for.Access) -> Access:
    """Return what several tables of an environment allow together."""

    def united(key: str) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(value for table in tables for value in getattr(table, key)))

    return Access(
        **{field.name: united(field.name) for field in fields(Access) if field.name != "efs"},
        efs=tuple((one.id, one.mount) for one in united("efs")),
    )


def groups_of(
    environment: Environment,
    facts: Mapping[str, TypeFacts],
    images: Mapping[str, NodeImage],
) -> tuple[Group, ...]:
    """Return the groups by name, ``images`` being those of workers by their names.

    Raises Refused with all that no worker could do its work on.
    """
    if found := tuple(mistakes(environment, facts)):
        raise Refused(
            f"{environment.name} cannot be deployed:\n"
            + "\n".join(f"  {mistake}" for mistake in found),
            hint="correct these keys in the environment's file",
        )
    return tuple(
        _group(environment, name, [facts[kind] for kind in group.instance_types], images)
        for name, group in sorted(environment.workers.items())
    )


def _group(
    environment: Environment, name: str, kinds: list[TypeFacts], images: Mapping[str, NodeImage]
) -> Group:
    group, facts = environment.workers[name], kinds[0]
    return Group(
        name=name,
        image=images[group.image],
        volume=volume_of(group.volume, environment.image_named(group.image)),
        instance_types=group.instance_types,
        markets=group.markets,
        min=group.min,
        max=group.max,
        idle_timeout_minutes=group.idle_timeout_minutes,
        cpus=facts.vcpus,
        gpus=facts.gpus,
        resources=tuple(sorted((group.resources | _accelerator(kinds)).items())),
        labels=tuple(sorted(group.labels.items())),
        instance_store=group.instance_store,
        object_store_gib=group.object_store_gib,
        zones=group.zones,
        placement=group.placement,
        efa_interfaces=facts.efa_interfaces if group.efa else 0,
        capacity_reservation_id=group.capacity_reservation_id,
        access=access_of(environment.nodes, group),
        rebalance_seconds=_rebalance_seconds(environment, group),
        runs_documents=environment.documents.on_cluster and environment.documents.group == name,
    )


def _accelerator(kinds: list[TypeFacts]) -> dict[str, int]:
    """Return Ray's resource of the accelerator that all types have; of two, none can be promised.

    Ray's provider for AWS does the same for a node type (fillout_available_node_types_resources,
    ray/autoscaler/_private/aws/node_provider.py, Ray 2.60).
    """
    names = {kind.accelerator for kind in kinds}
    return {PREFIX + name: 1 for name in names if name and len(names) == 1}


def _rebalance_seconds(environment: Environment, group: WorkerGroup) -> int:
    """Return 0 where no instance is a spot instance; a drain of 0 s leaves at once."""
    follows = SPOT in group.markets and group.rebalance == "drain"
    return max(1, environment.rollout.drain_seconds) if follows else 0
