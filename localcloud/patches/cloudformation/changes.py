"""Work out what an update of a stack would change, without changing it.

Follows "ResourceChange" and "ResourceTargetDefinition" of the CloudFormation API reference
(docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html). Reads
attributes of existing resources through their services; changes nothing.
"""

import hashlib
from typing import Any

from localcloud.patches.cloudformation import parameters
from localcloud.patches.cloudformation.functions import UNKNOWN, Tree, holds_unknown
from localcloud.patches.cloudformation.pieces import lookup
from localcloud.patches.cloudformation.resources import differing, resource_type
from localcloud.patches.cloudformation.run import dependency_order
from localcloud.patches.cloudformation.stack import DesiredState, Resource, Stack, template_of
from localcloud.patches.cloudformation.template import Template


def changes_of(stack: Stack, desired: DesiredState) -> list[Tree]:
    """Return the resource changes that executing ``desired`` would make, in the API's shape."""
    template = template_of(stack, desired, parameters.typed(desired.tree, desired.parameters))
    order = dependency_order(template)
    moving: set[str] = set()  # resources whose physical id is not known yet
    found: list[Tree] = []
    for name in order:
        change = _change(stack, desired, template, name, moving)
        if change is not None:
            found.append({"Type": "Resource", "ResourceChange": change})
    for name, resource in stack.resources.items():
        if name not in order:
            found.append({"Type": "Resource", "ResourceChange": _removal(resource)})
    return found


def in_some_order(changes: list[Tree], change_set: str) -> list[Tree]:
    """Return the changes in an order that differs between change sets: AWS promises none.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeChangeSet.html
    """

    def place(change: Tree) -> str:
        name = change_set + change["ResourceChange"]["LogicalResourceId"]
        return hashlib.sha256(name.encode()).hexdigest()

    return sorted(changes, key=place)


def outputs_of(stack: Stack, desired: DesiredState) -> Any:
    """Return the outputs' expressions as ``desired`` has them, to be compared."""
    template = template_of(stack, desired, parameters.typed(desired.tree, desired.parameters))
    outputs = desired.tree.get("Outputs") or {}
    held = {key: body for key, body in outputs.items() if template.holds(body.get("Condition"))}
    return template.resolve(held, lambda name, attribute: f"{{{name}.{attribute}}}")


def _change(
    stack: Stack, desired: DesiredState, template: Template, name: str, moving: set[str]
) -> Tree | None:
    body, existing = template.tree["Resources"][name], stack.resources.get(name)
    change: Tree = {"LogicalResourceId": name, "ResourceType": body["Type"]}
    if existing is None:
        moving.add(name)
        return {**change, "Action": "Add", "Scope": [], "Details": []}
    properties = _planned(stack, template, body, moving)
    details = [
        _detail(existing, properties, one) for one in differing(existing.properties, properties)
    ]
    tags = tuple(sorted(desired.tags.items()))
    if resource_type(body["Type"]).taggable and existing.tags != tags:
        details.append(_target("Tags", None, "Never"))
    if not details:
        return None
    replacement = _replacement(details)
    if replacement != "False":
        moving.add(name)
    return {
        **change,
        "Action": "Modify",
        "PhysicalResourceId": existing.physical_id,
        "Replacement": replacement,
        "Scope": sorted({detail["Target"]["Attribute"] for detail in details}),
        "Details": details,
    }


def _planned(stack: Stack, template: Template, body: Tree, moving: set[str]) -> Tree:
    read = lookup(stack)

    def known(name: str, attribute: str | None) -> Any:
        return UNKNOWN if name in moving or name not in stack.resources else read(name, attribute)

    properties: Tree = template.resolve(body.get("Properties") or {}, known)
    return properties


def _detail(existing: Resource, properties: Tree, name: str) -> Tree:
    if name == "Tags":
        return _target("Tags", None, "Never")
    replaces = name in resource_type(existing.type_name).replacing
    unsure = holds_unknown(properties.get(name))
    when = ("Conditionally" if unsure else "Always") if replaces else "Never"
    return _target("Properties", name, when)


def _target(attribute: str, name: str | None, when: str) -> Tree:
    target = {"Attribute": attribute, "RequiresRecreation": when}
    if name is not None:
        target["Name"] = name
    evaluation = "Dynamic" if when == "Conditionally" else "Static"
    return {"Target": target, "Evaluation": evaluation, "ChangeSource": "DirectModification"}


def _replacement(details: list[Tree]) -> str:
    found = {detail["Target"]["RequiresRecreation"] for detail in details}
    if "Always" in found:
        return "True"
    return "Conditional" if "Conditionally" in found else "False"


def _removal(resource: Resource) -> Tree:
    retained = resource.deletion_policy != "Delete"
    return {
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type_name,
        "Action": "Remove",
        "PolicyAction": "Retain" if retained else "Delete",
        "Scope": [],
        "Details": [],
    }
