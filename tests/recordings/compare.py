"""Hold a response against the shape of recorded responses of AWS. Pure.

The shape of an operation says which paths its recordings have, how often, with which types and, for
words of an enumeration, which values. A path is required when every recording had it that had its
parent, and five or more had that.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

FOLDER = Path(__file__).parent
OTHER = "(other)"  # among the values: there were others, which are not listed
ITEM, ANY = "[]", "*"  # keys of a path: an item of a list, whatever key of a map
ENOUGH = 5  # recordings, before "always" means anything
# Of a long list the first and the last so many items are looked at.
ENDS = 3
KINDS = {
    **{bool: "boolean", int: "integer", float: "float", str: "string", list: "list"},
    **{dict: "structure", type(None): "null", datetime: "string"},
}
# botocore reads a date as text or as a datetime, by the service's protocol; a whole number may be
# either kind of number; a stream or bytes has no kind.
SAME = {"datetime": "string", "float": "integer"}


@dataclass
class Node:
    """What is recorded of one path: its types, its values, and what is below it."""

    types: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    required: set[str] = field(default_factory=set)
    below: "dict[str, Node]" = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Difference:
    """Where a response is not like AWS's: ``what`` is missing, type, value or error."""

    operation: str
    path: str
    what: str
    found: str = ""

    def __str__(self) -> str:
        return f"{self.operation}: {self.what} {self.path} {self.found}".rstrip()


@cache
def recorded() -> dict[str, Any]:
    """Return the shapes as their file has them: ``operations`` and ``errors``."""
    found: dict[str, Any] = json.loads((FOLDER / "shapes.json").read_text())
    return found


@cache
def shape_of(operation: str) -> Node | None:
    """Return the recorded shape of an operation (``ec2.DescribeVpcs``); None without recordings."""
    entry = recorded()["operations"].get(operation)
    return None if entry is None else tree(operation, entry)


def tree(operation: str, entry: dict[str, Any]) -> Node:
    """Return the tree of a shape, with the values that AWS's own model allows beside."""
    root, paths = Node(frozenset({"structure"})), entry["paths"]
    for path in sorted(paths, key=lambda path: path.replace("[]", ".[]")):
        parent, key = divide(path)
        about = paths[path]
        node = at(root, parent)
        values = frozenset(about.get("values", ()))
        values = frozenset() if OTHER in values else values
        if values:
            values |= modelled_values(operation, path)
        node.below[key] = Node(frozenset(SAME.get(t, t) for t in about["types"]), values)
        there = paths[parent]["in"] if parent else entry["recordings"]
        if key not in (ITEM, ANY) and about["in"] >= there >= ENOUGH:
            node.required.add(key)
    return root


def divide(path: str) -> tuple[str, str]:
    """Return a path's parent and its last key: ``A[].B`` is ``A[]`` and ``B``."""
    if path.endswith("[]"):
        return path[:-2], ITEM
    parent, _, key = path.rpartition(".")
    return parent, key


def at(root: Node, path: str) -> Node:
    """Return the node of a path that is in the tree."""
    node = root
    for key in steps(path):
        node = node.below[key]
    return node


def steps(path: str) -> list[str]:
    """Return the keys of a path: ``A[].B`` is A, [] and B."""
    return [key for key in path.replace("[]", ".[]").split(".") if key]


def differences(operation: str, response: dict[str, Any]) -> Iterator[Difference]:
    """Yield where a response (without ResponseMetadata) is not like those recorded."""
    shape = shape_of(operation)
    if shape is not None:
        yield from _compare(operation, "", shape, response)


def _compare(operation: str, path: str, node: Node, value: Any) -> Iterator[Difference]:
    kind = KINDS.get(type(value))
    if kind is None:
        return
    kind = SAME.get(kind, kind)
    if node.types and kind not in node.types:
        yield Difference(operation, path, "type", kind)
    elif isinstance(value, dict):
        for key in sorted(node.required - value.keys()):
            yield Difference(operation, f"{path}.{key}".lstrip("."), "missing")
        for key, inner in value.items():
            known = key if key in node.below else ANY
            if known in node.below:
                below = f"{path}.{known}".lstrip(".")
                yield from _compare(operation, below, node.below[known], inner)
    elif isinstance(value, list) and ITEM in node.below:
        for item in ends(value):
            yield from _compare(operation, f"{path}[]", node.below[ITEM], item)
    elif isinstance(value, str) and node.values and value not in node.values:
        yield Difference(operation, path, "value", value)


def ends(items: list[Any]) -> list[Any]:
    """Return the items of a list, or those at its ends if it is long."""
    return items if len(items) <= 2 * ENDS else [*items[:ENDS], *items[-ENDS:]]


def unmodelled_values(operation: str, response: dict[str, Any]) -> Iterator[Difference]:
    """Yield the words that AWS's own model does not have among those of an enumeration."""
    service, _, name = operation.partition(".")
    shape = model(service).operation_model(name).output_shape
    if shape is not None:
        yield from _unmodelled(operation, "", shape, response)


def _unmodelled(operation: str, path: str, shape: Shape, value: Any) -> Iterator[Difference]:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        for key in shape.members.keys() & value.keys():
            below = f"{path}.{key}".lstrip(".")
            yield from _unmodelled(operation, below, shape.members[key], value[key])
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for item in ends(value):
            yield from _unmodelled(operation, f"{path}[]", shape.member, item)
    elif isinstance(value, str) and value not in (getattr(shape, "enum", None) or (value,)):
        yield Difference(operation, path, "value", value)


@cache
def model(service: str) -> ServiceModel:
    """Return botocore's model of a service."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def modelled_values(operation: str, path: str) -> frozenset[str]:
    """Return the values that AWS's model of the operation has for a path; empty: any or unknown."""
    service, _, name = operation.partition(".")
    shape: Shape | None = model(service).operation_model(name).output_shape
    for key in steps(path):
        if isinstance(shape, StructureShape):
            shape = shape.members.get(key)
        elif isinstance(shape, ListShape):
            shape = shape.member
        elif isinstance(shape, MapShape):
            shape = shape.value
    return frozenset(getattr(shape, "enum", ()) or ())
