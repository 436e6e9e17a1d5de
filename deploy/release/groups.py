"""What each group of workers is launched with, and what its nodes offer Ray. Pure: no AWS."""

from collections.abc import Iterator, Mapping

from common.environment import Environment
from common.errors import Refused
from common.instance_types import TypeFacts
from common.worker_groups import WorkerGroup
from deploy.release.release import Group


def type_names(environment: Environment) -> frozenset[str]:
    """Return every instance type that the environment names."""
    named = (name for group in environment.workers.values() for name in group.instance_types)
    return frozenset({environment.head.instance_type, *named})


def groups_of(environment: Environment, facts: Mapping[str, TypeFacts]) -> tuple[Group, ...]:
    """Return the groups by name; raises Refused with all that no worker could do its work on."""
    mistakes = tuple(_mistakes(environment, facts))
    if mistakes:
        raise Refused(
            f"{environment.name} cannot be deployed:\n"
            + "\n".join(f"  {mistake}" for mistake in mistakes),
            hint="choose other instance types, or an image of their architecture",
        )
    return tuple(
        _group(name, group, facts[group.instance_types[0]])
        for name, group in sorted(environment.workers.items())
    )


def _group(name: str, group: WorkerGroup, facts: TypeFacts) -> Group:
    return Group(
        name=name,
        instance_types=group.instance_types,
        markets=group.markets,
        min=group.min,
        max=group.max,
        idle_timeout_minutes=group.idle_timeout_minutes,
        cpus=facts.vcpus,
        gpus=facts.gpus,
        resources=tuple(sorted(group.resources.items())),
        labels=tuple(sorted(group.labels.items())),
    )


def _mistakes(environment: Environment, facts: Mapping[str, TypeFacts]) -> Iterator[str]:
    built = environment.image.architecture
    yield from _other_architecture(
        "head.instance_type", (environment.head.instance_type,), facts, built
    )
    for name, group in sorted(environment.workers.items()):
        place = f"workers.{name}.instance_types"
        yield from _other_architecture(place, group.instance_types, facts, built)
        yield from _different(place, [facts[kind] for kind in group.instance_types])


def _other_architecture(
    place: str, names: tuple[str, ...], facts: Mapping[str, TypeFacts], built: str
) -> Iterator[str]:
    for name in names:
        if built not in facts[name].architectures:
            words = " and ".join(facts[name].architectures)
            yield f"{place}: {name} is {words}, the image {built} (image.architecture)"


def _different(place: str, kinds: list[TypeFacts]) -> Iterator[str]:
    """Ray counts on the same of each node of a group, whichever type it is."""
    if len({(kind.vcpus, kind.gpus) for kind in kinds}) > 1:
        words = ", ".join(f"{kind.name} has {kind.vcpus} and {kind.gpus}" for kind in kinds)
        yield f"{place}: the types of a group need the same vCPUs and GPUs: {words}"
