"""What Ray's autoscaler accepts as its configuration, by Ray's own schema. Pure: no AWS.

``ray_schemas/VERSION.json`` is ``ray/autoscaler/ray-schema.json`` of that Ray, to the byte; the
autoscaler checks its file against it in every round (``validate_config``,
ray/autoscaler/_private/util.py), and a round that fails scales nothing.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

FOLDER = Path(__file__).with_name("ray_schemas")


def schema_path(ray_version: str) -> Path:
    """Return where the schema of a Ray lies; of a Ray that has none here, the newest."""
    path = FOLDER / f"{ray_version}.json"
    return path if path.exists() else max(FOLDER.glob("*.json"), key=_version)


def mistakes(config: dict[str, Any], ray_version: str) -> tuple[str, ...]:
    """Return what that Ray would refuse, each with its key; empty when it would accept all."""
    found = sorted(_validator(schema_path(ray_version)).iter_errors(config), key=_place)
    return tuple(map(_words, found)) or tuple(_inconsistencies(config))


def _inconsistencies(config: dict[str, Any]) -> Iterator[str]:
    """Yield what the schema cannot say: ``validate_config`` and ``NodeTypeConfig`` check it too."""
    limit, total = config["max_workers"], 0
    for name, node_type in config["available_node_types"].items():
        place = f"available_node_types.{name}"
        least, most = node_type.get("min_workers", 0), node_type.get("max_workers", limit)
        total += least
        if least > most:
            yield f"{place}: min_workers ({least}) is above max_workers ({most})"
    if total > limit:
        yield f"max_workers ({limit}) is below the sum of all min_workers ({total})"


@cache
def _validator(path: Path) -> Draft7Validator:
    return Draft7Validator(json.loads(path.read_text()))


def _place(error: ValidationError) -> str:
    return ".".join(str(part) for part in error.absolute_path) or "(the whole file)"


def _words(error: ValidationError) -> str:
    return f"{_place(error)}: {error.message}"


def _version(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.stem.split("."))
