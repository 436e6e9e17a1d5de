"""DescribeInstances with a thousand instances: a description is cached until its instance changes.

One takes moto six milliseconds, and a wait for instances asks for all of them again and again. An
instance has changed when any of its attributes is another object, or its tags or metadata options
differ.
"""

from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from moto.core.serialize import ResponseSerializer
from moto.ec2.models.instances import Instance

Facts = tuple[Any, ...]

_written: WeakKeyDictionary[Any, tuple[Facts, Facts, dict[str, Any]]] = WeakKeyDictionary()


def _parts(instance: Any) -> Facts:
    return (*vars(instance).values(), *vars(instance.metadata_options).values())


def _same(one: Facts, other: Facts) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


@cache
def install() -> None:
    """Install this before moto's own function."""
    write = ResponseSerializer._serialize_type_structure

    def write_once(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if not (key and shape.name == "Instance" and isinstance(value, Instance)):
            write(self, serialized, value, shape, key)
            return
        tags = (key, *value.ec2_backend.tags.get(value.id, {}).items())
        parts = _parts(value)
        known = _written.get(value)
        if known is None or known[0] != tags or not _same(known[1], parts):
            made: dict[str, Any] = {}
            write(self, made, value, shape, key)
            known = _written[value] = (tags, parts, made)
        serialized.update(known[2])

    ResponseSerializer._serialize_type_structure = write_once
