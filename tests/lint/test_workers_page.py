"""docs/workers.md: every key of a node's settings is there, with its default, and no other."""

import re
import tomllib
from typing import Any

import pytest
from pydantic import BaseModel

from common.environment_tables import Head
from common.image_settings import ImageSettings
from common.nodes import Access, FileSystem, Nodes, Volume
from common.worker_groups import WorkerGroup
from tests.lint.test_linters import ROOT

PAGE = (ROOT / "docs/workers.md").read_text("utf-8")
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| ", re.MULTILINE)
NEEDED = "*needed*"
# By the heading of the table; what is under Access may be in three others, too.
TABLES: dict[str, type[BaseModel]] = {
    "A group: `[workers.NAME]`": WorkerGroup,
    "Volumes": Volume,
    "Access": Access,
    "File systems: `efs`": FileSystem,
    "All nodes: `[nodes]`": Nodes,
    "The heads: `[head]`": Head,
    "Images: `[image]` and `[images.NAME]`": ImageSettings,
}


def rows(heading: str) -> dict[str, Any]:
    """Return the keys of the table under a heading, with their defaults as TOML reads them."""
    section = re.split(r"^#+ ", PAGE.partition(f"# {heading}\n")[2], flags=re.MULTILINE)[0]
    return {key: _default(text) for key, text in ROW.findall(section)}


def _default(text: str) -> Any:
    return NEEDED if text == NEEDED else tomllib.loads(f"key = {text.strip('`')}")["key"]


def keys(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's own keys with their defaults as they would be written."""
    inherited = Access.model_fields if issubclass(model, Access) and model is not Access else {}
    return {
        key: NEEDED if field.is_required() else _written(field.default)
        for key, field in model.model_fields.items()
        if key not in inherited
    }


def _written(default: Any) -> Any:
    if isinstance(default, BaseModel):
        return default.model_dump(exclude_defaults=True)
    return list(default) if isinstance(default, tuple) else default


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_has_a_row_with_its_default(heading: str) -> None:
    assert rows(heading) == keys(TABLES[heading])
