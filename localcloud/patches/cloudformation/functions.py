"""CloudFormation's intrinsic functions that need nothing but their argument. Pure: no AWS.

Follows "Intrinsic function reference" (docs.aws.amazon.com/AWSCloudFormation/latest/
TemplateReference/intrinsic-function-reference.html).
"""

import base64
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.cloudformation.exceptions import ValidationError

Tree = dict[str, Any]


def refuse(message: str) -> ValidationError:
    """Return CloudFormation's ValidationError with this message."""
    return ValidationError(message=message)


class Unknown:
    """A value that exists only once a resource has been created."""

    def __repr__(self) -> str:
        return "{{known after apply}}"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Place:
    """What the functions know of their region and template."""

    zones: list[str]
    mappings: Tree


def text(value: Any) -> str:
    """Return a value as it stands within a string."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def holds_unknown(value: Any) -> bool:
    """Say whether any part of a value is not known yet."""
    if isinstance(value, dict):
        return any(holds_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(holds_unknown(item) for item in value)
    return value is UNKNOWN


def _select(_: Place, argument: list[Any]) -> Any:
    index, items = int(argument[0]), argument[1]
    if not 0 <= index < len(items):
        problem = f"Fn::Select cannot select nonexistent value at index {index}"
        raise refuse(f"Template error: {problem}")
    return items[index]


def _find_in_map(place: Place, argument: list[Any]) -> Any:
    found: Any = place.mappings
    for key in argument:
        if key not in found:
            path = "::".join(map(str, argument))
            raise refuse(f"Template error: Unable to get mapping for {path}")
        found = found[key]
    return found


def _cidr(_: Place, argument: list[Any]) -> list[str]:
    block, count = ipaddress.ip_network(argument[0]), int(argument[1])
    bits = int(argument[2]) if len(argument) > 2 else 8
    nets = block.subnets(new_prefix=block.max_prefixlen - bits)
    found = [str(net) for _, net in zip(range(count), nets, strict=False)]
    if len(found) < count:
        raise refuse(f"Template error: Fn::Cidr cannot cut {count} blocks out of {block}")
    return found


# Each takes its argument with everything in it resolved.
PLAIN: dict[str, Callable[[Place, Any], Any]] = {
    "Fn::Join": lambda _, a: a[0].join(text(item) for item in a[1]),
    "Fn::Split": lambda _, a: a[1].split(a[0]),
    "Fn::Select": _select,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAZs": lambda place, _: list(place.zones),
    "Fn::Cidr": _cidr,
    "Fn::Base64": lambda _, a: base64.b64encode(a.encode()).decode(),
}
