"""Read CloudFormation templates and resolve their intrinsic functions. Pure: no AWS, no clock.

Follows "Template reference" of the CloudFormation User Guide (intrinsic functions, pseudo
parameters, conditions;
docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html).
What is not known here (an unknown function, a transform, a macro, an import) is refused.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from localcloud.patches.cloudformation.functions import (
    PLAIN,
    UNKNOWN,
    Place,
    Tree,
    holds_unknown,
    refuse,
    text,
)

Lookup = Callable[[str, str | None], Any]  # logical id, attribute or None for Ref

SECTIONS = {
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Resources",
    "Outputs",
}
RESOURCE_KEYS = {
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "Metadata",
}
LARGEST_BODY = 51_200  # bytes of TemplateBody; CloudFormation quotas


NO_VALUE = object()


class _Loader(yaml.CSafeLoader):
    """YAML as CloudFormation reads it: short function tags, and dates that stay strings."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _short_form(loader: Any, suffix: str, node: Any) -> Tree:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def parse(body: str) -> Tree:
    """Return the template as a tree; raises the ValidationError that CloudFormation would."""
    try:
        _refuse_aliases(body)
        tree = yaml.load(body, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise refuse(f"Template format error: YAML not well-formed. ({error})") from error
    if not isinstance(tree, dict):
        raise refuse("Template format error: unsupported structure.")
    if "Transform" in tree:
        raise refuse("The local cloud does not run template transforms or macros")
    if odd := sorted(set(tree) - SECTIONS):
        raise refuse(f"Invalid template property or properties [{', '.join(odd)}]")
    if not tree.get("Resources"):
        raise refuse("Template format error: At least one Resources member must be defined.")
    for name, resource in tree["Resources"].items():
        if odd := sorted(set(resource) - RESOURCE_KEYS):
            raise refuse(f"Invalid template resource property '{odd[0]}' of {name}")
    return tree


def _refuse_aliases(body: str) -> None:
    """CloudFormation's YAML has no aliases: docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/
    template-formats.html.
    """
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(body, yaml.CSafeLoader)):
        raise refuse("Template error: YAML aliases are not allowed in CloudFormation templates")


@dataclass
class Template:
    """One template with its parameters: evaluates its expressions."""

    tree: Tree
    parameters: dict[str, Any]  # name to value: a string, or a list of strings
    pseudo: dict[str, Any]  # AWS::Region and the like
    zones: list[str]  # Fn::GetAZs
    _conditions: dict[str, bool] = field(default_factory=dict)

    def resources(self) -> dict[str, Tree]:
        """Return the resources whose condition holds."""
        return {k: v for k, v in self.tree["Resources"].items() if self.holds(v.get("Condition"))}

    def holds(self, condition: str | None) -> bool:
        """Say whether the named condition is true; no condition always is."""
        if condition is None:
            return True
        if condition not in self._conditions:
            body = self.tree.get("Conditions", {}).get(condition)
            if body is None:
                raise refuse(f"Template error: Unresolved condition dependency {condition}")
            self._conditions[condition] = self._truth(body)
        return self._conditions[condition]

    def _truth(self, body: Tree) -> bool:
        ((function, argument),) = body.items()
        if function == "Condition":
            return self.holds(argument)
        if function == "Fn::Equals":
            left, right = (text(self.resolve(side, _no_resources)) for side in argument)
            return left == right
        if function in ("Fn::And", "Fn::Or"):
            return (all if function == "Fn::And" else any)([self._truth(one) for one in argument])
        if function == "Fn::Not":
            return not self._truth(argument[0])
        raise refuse(f"Template error: {function} is not a condition function")

    def resolve(self, value: Any, lookup: Lookup) -> Any:
        """Return ``value`` with every function replaced by its result.

        It is ``UNKNOWN`` where ``lookup`` says so; a property set to AWS::NoValue is left out.
        """
        if isinstance(value, list):
            items = [self.resolve(item, lookup) for item in value]
            return [item for item in items if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((key, argument),) = value.items()
            if key == "Ref" or key.startswith("Fn::"):
                return self._apply(key, argument, lookup)
        pairs = {key: self.resolve(item, lookup) for key, item in value.items()}
        return {key: item for key, item in pairs.items() if item is not NO_VALUE}

    def _apply(self, function: str, argument: Any, lookup: Lookup) -> Any:
        if function == "Ref":
            return self._reference(argument, lookup)
        if function == "Fn::If":
            name, yes, no = argument
            return self.resolve(yes if self.holds(name) else no, lookup)
        if function == "Fn::Sub":
            return self._substitute(argument, lookup)
        if function == "Fn::GetAtt":
            name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
            return lookup(name, self.resolve(attribute, lookup))
        if function not in PLAIN:
            raise refuse(f"Template error: the local cloud does not have {function}")
        resolved = self.resolve(argument, lookup)
        if holds_unknown(resolved):
            return UNKNOWN
        place = Place(self.zones, self.tree.get("Mappings") or {})
        return PLAIN[function](place, resolved)

    def _reference(self, name: str, lookup: Lookup) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.parameters:
            return self.parameters[name]
        return lookup(name, None)

    def _substitute(self, argument: Any, lookup: Lookup) -> Any:
        pattern, local = argument if isinstance(argument, list) else (argument, {})
        found: list[Any] = []

        def one(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in local:
                found.append(self.resolve(local[name], lookup))
            elif "." in name:
                found.append(lookup(*name.split(".", 1)))
            else:
                found.append(self._reference(name, lookup))
            return text(found[-1])

        answer = re.sub(r"\$\{([^}]+)\}", one, pattern)
        return UNKNOWN if holds_unknown(found) else answer

    def references(self, value: Any) -> Iterator[tuple[str, str | None]]:
        """Yield each (logical id, attribute) that ``value`` needs, as its conditions now stand."""
        found: list[tuple[str, str | None]] = []

        def note(name: str, attribute: str | None) -> Any:
            if name not in self.tree["Resources"]:
                what = "Fn::GetAtt references undefined resource" if attribute else "Ref"
                raise refuse(
                    f"Template format error: Unresolved resource dependencies [{name}] ({what})"
                )
            found.append((name, attribute))
            return UNKNOWN

        self.resolve(value, note)
        yield from found


def _no_resources(name: str, attribute: str | None) -> Any:
    raise refuse(f"Template error: Cannot reference resources in the Conditions block ({name})")
