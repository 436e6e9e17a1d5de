"""What a CloudFormation resource type is to the engine, and which types there are.

A type is a few calls of its service's own API (``internal.call``), as AWS's resource providers
are. Which properties exist and which of them need a new resource ("Update requires: Replacement")
comes from each type's page in the CloudFormation template reference.
"""

import random
import string
from dataclasses import dataclass
from typing import Any, ClassVar

from botocore.exceptions import ClientError
from moto.core.exceptions import ServiceException

from localcloud.patches.cloudformation.functions import Tree, refuse

_letters = random.SystemRandom()


class Failed(Exception):
    """A resource could not be created, changed or deleted; the stack's events show the text."""


@dataclass(frozen=True)
class Place:
    """Where a resource stands in its stack: what its name and tags are made of."""

    stack_name: str
    stack_id: str
    logical_id: str
    stack_tags: tuple[tuple[str, str], ...]
    region: str
    account: str

    def name(self, longest: int = 128) -> str:
        """Return a generated physical name: stack, logical id, random letters.

        Where they are too long it is cut off, and never has two hyphens in a row.
        """
        tail = "".join(_letters.choices(string.ascii_uppercase + string.digits, k=12))
        stem = f"{self.stack_name}-{self.logical_id}"[: longest - 13]
        return f"{stem.rstrip('-')}-{tail}"

    def tags(self, properties: Tree) -> list[dict[str, str]]:
        """Return the resource's own tags over the stack's."""
        merged = dict(self.stack_tags)
        merged.update({tag["Key"]: str(tag["Value"]) for tag in properties.get("Tags", [])})
        return [{"Key": key, "Value": value} for key, value in sorted(merged.items())]

    def tag_changes(self, old: Tree, new: Tree) -> tuple[list[str], list[dict[str, str]]]:
        """Return the keys of the tags to remove, and the tags to set."""
        tags = self.tags(new)
        keys = {tag["Key"] for tag in tags}
        return [tag["Key"] for tag in old.get("Tags", []) if tag["Key"] not in keys], tags


class ResourceType:
    """One type: subclasses name it and call its service. Properties arrive resolved."""

    type_name: ClassVar[str]
    properties: ClassVar[frozenset[str]]
    replacing: ClassVar[frozenset[str]] = frozenset()
    required: ClassVar[frozenset[str]] = frozenset()
    attributes: ClassVar[frozenset[str]] = frozenset()
    taggable: ClassVar[bool] = True

    def create(self, place: Place, properties: Tree) -> str:
        """Create the bare resource, in one call, and return its physical id."""
        raise NotImplementedError

    def configure(self, place: Place, physical_id: str, old: Tree, new: Tree) -> None:
        """Bring a resource from ``old`` to ``new``; ``old`` is empty just after ``create``."""

    def delete(self, physical_id: str, properties: Tree) -> None:
        """Remove the resource; one that is already gone is not an error."""
        raise NotImplementedError

    def attribute(self, physical_id: str, name: str) -> Any:
        """Return what Fn::GetAtt gives, read from the service."""
        raise refuse(f"Template error: resource {self.type_name} has no attribute {name}")

    def is_ready(self, physical_id: str) -> bool:
        """Say whether resources that depend on this one can use it; raises Failed if never."""
        return True

    def is_gone(self, physical_id: str) -> bool:
        """Say whether a resource that was deleted no longer uses what it depends on."""
        return True


_types: dict[str, ResourceType] = {}


def register(cls: "type[ResourceType]") -> "type[ResourceType]":
    """Class decorator: make the type known to the engine."""
    _types[cls.type_name] = cls()
    return cls


def resource_type(name: str) -> ResourceType:
    """Return the type; raises KeyError for one the local cloud does not have."""
    return _types[name]


def check_types(tree: Tree) -> None:
    """Refuse a template with types that the local cloud cannot create."""
    types = {resource["Type"] for resource in tree["Resources"].values()}
    if odd := sorted(types - set(_types)):
        raise refuse(f"Template format error: Unrecognized resource types: [{', '.join(odd)}]")


def check_properties(logical_id: str, resource: Tree) -> None:
    """Refuse properties that would be ignored, and resources without required ones."""
    kind = resource_type(resource["Type"])
    given = set(resource.get("Properties") or {})
    if odd := sorted(given - kind.properties):
        raise refuse(f"{logical_id}: the local cloud has no property {odd} of {kind.type_name}")
    if missing := sorted(kind.required - given):
        raise refuse(f"{logical_id}: {kind.type_name} needs {missing}")


def differing(old: Tree, new: Tree) -> list[str]:
    """Return the names of the properties that are not the same, sorted."""
    return sorted(k for k in set(old) | set(new) if old.get(k) != new.get(k))


def reason(error: Exception) -> str:
    """Return an error as the stack's events show it."""
    if isinstance(error, ServiceException):
        return str(error.message)
    if isinstance(error, ClientError):
        details, status = error.response["Error"], error.response["ResponseMetadata"]
        where = f"Status Code: {status.get('HTTPStatusCode')}, Code: {details.get('Code')}"
        return f'Resource handler returned message: "{details.get("Message")} ({where})"'
    if isinstance(error, Failed):
        return f'Resource handler returned message: "{error}"'
    return f'Resource handler returned message: "{type(error).__name__}: {error}"'
