"""One resource of a stack at a time: where it stands, what it needs, how it is changed and removed.

Follows "DeletionPolicy attribute" and "UpdateReplacePolicy attribute" (docs.aws.amazon.com/
AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html). Deleting a resource
that is still in use is retried for a while, as CloudFormation does.
"""

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from localcloud import world
from localcloud.patches.cloudformation.functions import Tree
from localcloud.patches.cloudformation.resources import (
    Failed,
    Place,
    differing,
    reason,
    resource_type,
)
from localcloud.patches.cloudformation.stack import Resource, Stack

# A call that moto lacks is a failed resource too, not a stack that hangs.
TROUBLE = Exception

IN_USE = ("DependencyViolation", "ResourceInUse", "InvalidPlacementGroup.InUse")
IN_USE_SECONDS = 30.0  # of retries; CloudFormation retries for minutes


def place(stack: Stack, logical_id: str, tags: dict[str, str]) -> Place:
    """Return where a resource of the stack stands."""
    pairs = tuple(sorted(tags.items()))
    return Place(stack.name, stack.stack_id, logical_id, pairs, stack.region, stack.account)


def lookup(stack: Stack) -> Callable[[str, str | None], Any]:
    """Return how Ref and Fn::GetAtt read the stack's resources as they are."""

    def read(name: str, attribute: str | None) -> Any:
        resource = stack.resources[name]
        if attribute is None:
            return resource.physical_id
        return resource_type(resource.type_name).attribute(resource.physical_id, attribute)

    return read


def must_replace(existing: Resource, fresh: Resource) -> bool:
    """Say whether the difference needs a new resource."""
    if existing.type_name != fresh.type_name:
        return True
    replacing = resource_type(fresh.type_name).replacing
    return bool(replacing & set(differing(existing.properties, fresh.properties)))


def must_update(existing: Resource, fresh: Resource) -> bool:
    """Say whether there is any difference to bring in."""
    taggable = resource_type(fresh.type_name).taggable
    return existing.properties != fresh.properties or (taggable and existing.tags != fresh.tags)


def change(stack: Stack, old: Resource, new: Resource) -> Iterator[bool]:
    """Change a resource in place from ``old`` to ``new``."""
    kind, physical = resource_type(new.type_name), stack.resources[old.logical_id].physical_id
    where = place(stack, new.logical_id, dict(new.tags))
    kind.configure(where, physical, old.properties, new.properties)
    stack.keep(new, physical_id=physical)
    while not kind.is_ready(physical):
        yield False
    stack.note(new.logical_id, new.type_name, physical, "UPDATE_COMPLETE")
    yield True


def remove(stack: Stack, resource: Resource, rolling_back: bool = False) -> Iterator[bool]:
    """Delete a resource, or leave it as its DeletionPolicy says; raises Failed."""
    name, physical, kind = resource.logical_id, resource.physical_id, resource.type_name
    kept = resource.deletion_policy
    if kept == "Retain" or (kept == "RetainExceptOnCreate" and not rolling_back):
        stack.note(name, kind, physical, "DELETE_SKIPPED")
    else:
        stack.note(name, kind, physical, "DELETE_IN_PROGRESS")
        try:
            yield from _delete(kind, physical, resource.properties)
        except TROUBLE as error:
            stack.note(name, kind, physical, "DELETE_FAILED", reason(error))
            raise Failed(name) from error
        stack.note(name, kind, physical, "DELETE_COMPLETE")
    current = stack.resources.get(name)
    if current is not None and current.physical_id == physical:
        del stack.resources[name]
    yield True


def _delete(kind: str, physical_id: str, properties: Tree) -> Iterator[bool]:
    clock = world.current().clock
    deadline = clock.now() + IN_USE_SECONDS
    while True:
        try:
            resource_type(kind).delete(physical_id, properties)
            break
        except ClientError as error:
            if error.response["Error"]["Code"] not in IN_USE or clock.now() >= deadline:
                raise
        yield False
    while not resource_type(kind).is_gone(physical_id):
        yield False


def in_reverse(resources: list[Resource]) -> list[Resource]:
    """Return the resources, each before what it depends on."""
    left = {(r.logical_id, r.physical_id): r for r in resources}
    ordered: list[Resource] = []
    while left:
        needed = {name for resource in left.values() for name in resource.depends_on}
        free = [key for key in left if key[0] not in needed] or list(left)
        ordered += [left.pop(key) for key in reversed(free)]
    return ordered
