"""Create or change a template's resources in order, with a way back. Calls the services.

Follows "Update behaviors of stack resources"
(docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from localcloud.patches.cloudformation import parameters
from localcloud.patches.cloudformation.functions import Tree, refuse
from localcloud.patches.cloudformation.pieces import (
    TROUBLE,
    change,
    lookup,
    must_replace,
    must_update,
    place,
    remove,
)
from localcloud.patches.cloudformation.resources import Failed, reason, resource_type
from localcloud.patches.cloudformation.stack import DesiredState, Resource, Stack, template_of
from localcloud.patches.cloudformation.template import Template

REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."

Undo = Callable[[], Iterator[bool]]


def dependency_order(template: Template) -> dict[str, frozenset[str]]:
    """Return each resource with what it needs, in the order to create them; cycles are refused."""
    resources = template.resources()
    needs = {
        name: _needs(template, name, body) & set(resources) for name, body in resources.items()
    }
    order: dict[str, frozenset[str]] = {}
    while len(order) < len(needs):
        free = [n for n in needs if n not in order and needs[n] <= set(order)]
        if not free:
            stuck = ", ".join(sorted(set(needs) - set(order)))
            raise refuse(f"Circular dependency between resources: [{stuck}]")
        order.update({name: needs[name] for name in free})
    return order


def _needs(template: Template, name: str, body: Tree) -> frozenset[str]:
    """Return what a resource depends on.

    CloudFormation does not create what depends on a resource that it does not create, whatever its
    own condition (TemplateReference/aws-attribute-condition.html); no one means that.
    """
    named = body.get("DependsOn", [])
    explicit = {named} if isinstance(named, str) else set(named)
    if odd := sorted(explicit & set(template.tree["Resources"]) - set(template.resources())):
        raise refuse(f"{name} depends on {odd[0]}, which is not created: neither would be")
    return frozenset(explicit | {name for name, _ in template.references(body.get("Properties"))})


def _ready(unready: dict[str, Iterator[bool]], wanted: frozenset[str]) -> Iterator[bool]:
    """Go on with all that are not ready until those that are wanted are, or any has failed."""
    while wanted & set(unready):
        for name, steps in list(unready.items()):
            if next(steps, None) is None:
                del unready[name]
        yield False


@dataclass
class Run:
    """One create or update: the desired state, and how to undo what was done so far."""

    stack: Stack
    desired: DesiredState
    template: Template = field(init=False)
    undo: list[Undo] = field(default_factory=list)
    leftovers: list[Resource] = field(default_factory=list)  # replaced; deleted at the end
    before: frozenset[str] = frozenset()  # the resources that existed

    def __post_init__(self) -> None:
        self.before = frozenset(self.stack.resources)
        values = parameters.typed(self.desired.tree, self.desired.parameters)
        self.template = template_of(self.stack, self.desired, values)

    def resources(self) -> Iterator[bool]:
        """Create or change every desired resource; raises Failed at the first failure.

        Only what needs a resource waits until it is ready; all else goes on meanwhile
        (TemplateReference/aws-attribute-dependson.html).
        """
        unready = dict[str, Iterator[bool]]()
        for name, needs in dependency_order(self.template).items():
            yield from _ready(unready, needs)
            steps = self._tried(name, needs)
            for step in steps:
                yield step
                if not step:
                    unready[name] = steps
                    break
        yield from _ready(unready, frozenset(unready))

    def _tried(self, name: str, needs: frozenset[str]) -> Iterator[bool]:
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
            tuple(sorted(self.desired.tags.items())),
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
        stack.note(name, fresh.type_name, existing.physical_id, "UPDATE_IN_PROGRESS", REPLACING)
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
        """Return the stack's outputs, from its resources as they are now."""
        found = []
        for key, body in (self.template.tree.get("Outputs") or {}).items():
            if self.template.holds(body.get("Condition")):
                value = self.template.resolve(body["Value"], lookup(self.stack))
                one = {"OutputKey": key, "OutputValue": str(value)}
                if "Description" in body:
                    one["Description"] = body["Description"]
                found.append(one)
        return found
