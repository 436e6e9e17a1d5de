"""Settle a template's parameters: defaults, previous values, types and constraints. Pure: no AWS.

Follows "CloudFormation template Parameters syntax"
(docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html).
"""

import re
from typing import Any

from moto.cloudformation.exceptions import ValidationError

from localcloud.patches.cloudformation.functions import Tree, refuse

LISTS = ("CommaDelimitedList",)


def settle(tree: Tree, given: list[Tree], previous: dict[str, str]) -> dict[str, str]:
    """Return name to value as the caller writes them, defaults filled in."""
    declared = tree.get("Parameters") or {}
    values = {}
    for item in given:
        key = item["ParameterKey"]
        values[key] = (
            previous.get(key) if item.get("UsePreviousValue") else item.get("ParameterValue")
        )
    if odd := sorted(set(values) - set(declared)):
        raise refuse(f"Parameters: [{', '.join(odd)}] do not exist in the template")
    for name, spec in declared.items():
        if values.get(name) is None and "Default" in spec:
            values[name] = _written(spec["Default"])
    if missing := sorted(name for name in declared if values.get(name) is None):
        raise refuse(f"Parameters: [{', '.join(missing)}] must have values")
    settled = {name: str(value) for name, value in values.items()}
    for name, value in settled.items():
        _check(name, value, declared[name])
    return settled


def typed(tree: Tree, values: dict[str, str]) -> dict[str, Any]:
    """Return name to value as Ref gives them: list types become lists."""
    declared = tree.get("Parameters") or {}
    return {name: _as_type(declared[name]["Type"], value) for name, value in values.items()}


def _written(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, list):
        return ",".join(map(str, default))
    return str(default)


def _as_type(kind: str, value: str) -> Any:
    if kind in LISTS or kind.startswith("List<"):
        return [item.strip() for item in value.split(",")] if value else []
    if kind.startswith("AWS::SSM::"):
        raise refuse(f"The local cloud does not have parameters of type {kind}")
    return value


def _check(name: str, value: str, spec: Tree) -> None:
    items = [v.strip() for v in value.split(",")] if spec["Type"] in LISTS else [value]
    allowed = spec.get("AllowedValues")
    for item in items:
        if allowed is not None and item not in [_written(one) for one in allowed]:
            raise _wrong(spec, name, f"must be one of AllowedValues {allowed}")
        if "AllowedPattern" in spec and not re.fullmatch(spec["AllowedPattern"], item):
            raise _wrong(spec, name, f"must match pattern {spec['AllowedPattern']}")
    if spec["Type"] == "Number":
        _check_number(name, value, spec)
    elif len(value) < int(spec.get("MinLength", 0)):
        raise _wrong(spec, name, f"must contain at least {spec['MinLength']} characters")
    elif len(value) > int(spec.get("MaxLength", len(value))):
        raise _wrong(spec, name, f"must contain at most {spec['MaxLength']} characters")


def _check_number(name: str, value: str, spec: Tree) -> None:
    try:
        number = float(value)
    except ValueError as error:
        raise _wrong(spec, name, "must be a number") from error
    if number < float(spec.get("MinValue", number)):
        raise _wrong(spec, name, f"must be a number not less than {spec['MinValue']}")
    if number > float(spec.get("MaxValue", number)):
        raise _wrong(spec, name, f"must be a number not greater than {spec['MaxValue']}")


def _wrong(spec: Tree, name: str, rule: str) -> ValidationError:
    reason = spec.get("ConstraintDescription", f"Parameter {name} {rule}")
    return refuse(f"Parameter '{name}' {rule}. {reason}")
