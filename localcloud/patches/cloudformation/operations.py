"""Create, update, roll back and delete a stack, one piece of work at a time.

Each operation is a generator: it yields True when a resource is done and False while one is not
ready yet, so that a step of the world's clock does a bounded amount of work. Order, statuses and
what a rollback does follow "How CloudFormation works", "Stack failure options" and
"DeletionPolicy attribute"
(docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html). Calls the
services' APIs in this process; never the network.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from localcloud.patches.cloudformation import parameters
from localcloud.patches.cloudformation.resources import (
    Failed,
    Place,
    differing,
    reason,
    resource_type,
)
from localcloud.patches.cloudformation.stack import Resource, Stack, Wanted, template_of, timestamp
from localcloud.patches.cloudformation.template import Template, Tree, refuse

# A call that moto does not have is a failed resource too, not a stack that hangs.
TROUBLE = Exception

REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."

Undo = Callable[[], Iterator[bool]]


def place(stack: Stack, logical_id: str, tags: dict[str, str]) -> Place:
    """Return where a resource of the stack stands."""
    pairs = tuple(sorted(tags.items()))
    return Place(stack.name, stack.stack_id, logical_id, pairs, stack.region, stack.account)


def dependency_order(template: Template) -> dict[str, frozenset[str]]:
    """Return each resource with what it needs, in an order to make them in; cycles are refused."""
    resources = template.resources()
    needs = {name: _needs(template, body) & set(resources) for name, body in resources.items()}
    order: dict[str, frozenset[str]] = {}
    while len(order) < len(needs):
        free = [n for n in needs if n not in order and needs[n] <= set(order)]
        if not free:
            stuck = ", ".join(sorted(set(needs) - set(order)))
            raise refuse(f"Circular dependency between resources: [{stuck}]")
        order.update({name: needs[name] for name in free})
    return order


def _needs(template: Template, body: Tree) -> frozenset[str]:
    named = body.get("DependsOn", [])
    explicit = {named} if isinstance(named, str) else set(named)
    return frozenset(explicit | {name for name, _ in template.references(body.get("Properties"))})


def lookup(stack: Stack) -> Callable[[str, str | None], Any]:
    """Return how Ref and Fn::GetAtt read the stack's resources as they are."""

    def read(name: str, attribute: str | None) -> Any:
        resource = stack.resources[name]
        if attribute is None:
            return resource.physical_id
        return resource_type(resource.type_name).attribute(resource.physical_id, attribute)

    return read


@dataclass
class Run:
    """One run of create or update: what is wanted, and how to take back what was done so far."""

    stack: Stack
    wanted: Wanted
    template: Template = field(init=False)
    undo: list[Undo] = field(default_factory=list)
    leftovers: list[Resource] = field(default_factory=list)  # replaced; removed when all is done
    before: frozenset[str] = frozenset()  # the resources that were there

    def __post_init__(self) -> None:
        self.before = frozenset(self.stack.resources)
        values = parameters.typed(self.wanted.tree, self.wanted.parameters)
        self.template = template_of(self.stack, self.wanted, values)

    def resources(self) -> Iterator[bool]:
        """Make or change every resource wanted; raises Failed at the first that cannot be."""
        for name, needs in dependency_order(self.template).items():
            body = self.template.tree["Resources"][name]
            try:
                yield from self._resource(name, body, needs)
            except TROUBLE as error:
                doing = "UPDATE" if name in self.before else "CREATE"
                physical = self.stack.states[name].physical_id if name in self.stack.states else ""
                self.stack.note(name, body["Type"], physical, f"{doing}_FAILED", reason(error))
                raise Failed(f"{doing.lower()}: [{name}]") from error

    def _resource(self, name: str, body: Tree, needs: frozenset[str]) -> Iterator[bool]:
        properties = self.template.resolve(body.get("Properties") or {}, lookup(self.stack))
        fresh = Resource(
            name,
            body["Type"],
            "",
            properties,
            tuple(sorted(self.wanted.tags.items())),
            needs,
            body.get("DeletionPolicy", "Delete"),
            body.get("UpdateReplacePolicy", "Delete"),
        )
        existing = self.stack.resources.get(name)
        if existing is None:
            yield from self._create(fresh)
        elif must_replace(existing, fresh):
            yield from self._replace(existing, fresh)
        elif must_update(existing, fresh):
            yield from self._update(existing, fresh)
        else:
            self.stack.keep(fresh, physical_id=existing.physical_id)

    def _create(self, fresh: Resource) -> Iterator[bool]:
        stack, kind = self.stack, resource_type(fresh.type_name)
        stack.note(fresh.logical_id, fresh.type_name, "", "CREATE_IN_PROGRESS")
        where = place(stack, fresh.logical_id, dict(fresh.tags))
        physical = kind.create(where, fresh.properties)
        kept = stack.keep(fresh, physical_id=physical)
        self.undo.append(lambda: remove(stack, kept, rolling_back=True))
        started = "Resource creation Initiated"
        stack.note(fresh.logical_id, fresh.type_name, physical, "CREATE_IN_PROGRESS", started)
        kind.configure(where, physical, {}, fresh.properties)
        while not kind.is_ready(physical):
            yield False
        stack.note(fresh.logical_id, fresh.type_name, physical, "CREATE_COMPLETE")
        yield True

    def _replace(self, existing: Resource, fresh: Resource) -> Iterator[bool]:
        stack, name = self.stack, existing.logical_id
        why = (
            "Requested update requires the creation of a new physical resource; hence creating one."
        )
        stack.note(name, fresh.type_name, existing.physical_id, "UPDATE_IN_PROGRESS", why)
        kind = resource_type(fresh.type_name)
        where = place(stack, name, dict(fresh.tags))
        physical = kind.create(where, fresh.properties)
        kept = stack.keep(fresh, physical_id=physical)

        def restore() -> Iterator[bool]:
            yield from remove(stack, kept, rolling_back=True)
            stack.keep(existing)

        self.undo.append(restore)
        kind.configure(where, physical, {}, fresh.properties)
        while not kind.is_ready(physical):
            yield False
        self.leftovers.append(existing)
        stack.note(name, fresh.type_name, physical, "UPDATE_COMPLETE")
        yield True

    def _update(self, existing: Resource, fresh: Resource) -> Iterator[bool]:
        stack, physical = self.stack, existing.physical_id
        stack.note(fresh.logical_id, fresh.type_name, physical, "UPDATE_IN_PROGRESS")
        self.undo.append(lambda: change(stack, fresh, existing))
        yield from change(stack, existing, fresh)

    def outputs(self) -> list[Tree]:
        """Return the stack's outputs, as its resources now are."""
        found = []
        for key, body in (self.template.tree.get("Outputs") or {}).items():
            if self.template.holds(body.get("Condition")):
                value = self.template.resolve(body["Value"], lookup(self.stack))
                one = {"OutputKey": key, "OutputValue": str(value)}
                if "Description" in body:
                    one["Description"] = body["Description"]
                found.append(one)
        return found


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
            resource_type(kind).delete(physical, resource.properties)
        except TROUBLE as error:
            stack.note(name, kind, physical, "DELETE_FAILED", reason(error))
            raise Failed(name) from error
        stack.note(name, kind, physical, "DELETE_COMPLETE")
    current = stack.resources.get(name)
    if current is not None and current.physical_id == physical:
        del stack.resources[name]
    yield True


def create(stack: Stack, wanted: Wanted) -> Iterator[bool]:
    """Bring up a new stack; a failure removes what had been made."""
    stack.say("CREATE_IN_PROGRESS", "User Initiated")
    yield True
    run = Run(stack, wanted)
    try:
        yield from run.resources()
        stack.outputs = run.outputs()
    except TROUBLE as error:
        failed = f"The following resource(s) failed to {error}. "
        if stack.disable_rollback:
            stack.say("CREATE_FAILED", failed)
            return
        stack.say("ROLLBACK_IN_PROGRESS", failed + "Rollback requested by user.")
        stuck = yield from _undo(run)
        stack.say("ROLLBACK_FAILED" if stuck else "ROLLBACK_COMPLETE", stuck)
        return
    stack.say("CREATE_COMPLETE")


def update(stack: Stack, wanted: Wanted) -> Iterator[bool]:
    """Bring a stack from what it is to what is wanted; a failure brings it back."""
    before, outputs = stack.wanted, stack.outputs
    stack.wanted, stack.updated = wanted, timestamp()
    stack.say("UPDATE_IN_PROGRESS", "User Initiated")
    yield True
    run = Run(stack, wanted)
    try:
        yield from run.resources()
        stack.outputs = run.outputs()
    except TROUBLE as error:
        stack.wanted, stack.outputs = before, outputs
        stack.say("UPDATE_ROLLBACK_IN_PROGRESS", f"The following resource(s) failed to {error}. ")
        stuck = yield from _undo(run)
        stack.say("UPDATE_ROLLBACK_FAILED" if stuck else "UPDATE_ROLLBACK_COMPLETE", stuck)
        return
    stack.say("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    yield from _clean_up(stack, run)
    stack.say("UPDATE_COMPLETE")


def _clean_up(stack: Stack, run: Run) -> Iterator[bool]:
    kept = set(run.template.resources())
    gone = [resource for name, resource in stack.resources.items() if name not in kept]
    replaced = [_as_leftover(resource) for resource in run.leftovers]
    for resource in in_reverse([*gone, *replaced]):
        try:
            yield from remove(stack, resource)
        except Failed:
            stack.resources.pop(resource.logical_id, None)  # AWS, too, leaves it behind


def _as_leftover(resource: Resource) -> Resource:
    return replace(resource, deletion_policy=resource.replace_policy)


def _undo(run: Run) -> Generator[bool, None, str | None]:
    stuck: list[str] = []
    for undo in reversed(run.undo):
        try:
            yield from undo()
        except TROUBLE as error:
            stuck.append(str(error))
    return (
        f"The following resource(s) failed to roll back: [{', '.join(stuck)}]." if stuck else None
    )


def in_reverse(resources: list[Resource]) -> list[Resource]:
    """Return the resources, each before what it depends on."""
    left = {(r.logical_id, r.physical_id): r for r in resources}
    ordered: list[Resource] = []
    while left:
        needed = {name for resource in left.values() for name in resource.depends_on}
        free = [key for key in left if key[0] not in needed] or list(left)
        ordered += [left.pop(key) for key in reversed(free)]
    return ordered


def delete(stack: Stack, retain: set[str]) -> Iterator[bool]:
    """Remove a stack, dependents first; what a resource that stays depends on is not tried."""
    stack.say("DELETE_IN_PROGRESS", "User Initiated")
    yield True
    stuck: list[str] = []
    blocked: set[str] = set()
    for resource in in_reverse(list(stack.resources.values())):
        if resource.logical_id in retain:
            stack.note(
                resource.logical_id, resource.type_name, resource.physical_id, "DELETE_SKIPPED"
            )
            del stack.resources[resource.logical_id]
            continue
        if resource.logical_id in blocked:
            blocked |= resource.depends_on
            continue
        try:
            yield from remove(stack, resource)
        except Failed as error:
            stuck.append(str(error))
            blocked |= resource.depends_on
    if stuck:
        stack.say(
            "DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(stuck)}]. "
        )
        return
    stack.deleted = timestamp()
    stack.say("DELETE_COMPLETE")
