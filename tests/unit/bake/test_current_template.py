"""The template for current Packer, which CI does not have, is held to the plugin's own page."""

import tomllib
from pathlib import Path
from typing import Any

import hcl2
import pytest

from common.checkout import REPOSITORY

PACKER = REPOSITORY / "packer"
REFERENCE = tomllib.loads((Path(__file__).parent / "amazon_plugin.toml").read_text())
SECTIONS: dict[str, dict[str, str]] = REFERENCE["sections"]
# Sections that are blocks of their own; the others' options stand in the source itself.
NESTED = {"Polling Configuration", "Metadata Settings", "Block Devices Configuration"}
TOP = {
    name: kind
    for s, options in SECTIONS.items()
    if s not in NESTED
    for name, kind in options.items()
}
# Locals and variables that an option may be, by their type.
LOCALS = {"run_tags": "map", "image_tags": "map"}
TYPES = {"string": "string", "number": "int", "bool": "bool", "list(string)": "list"}


def parsed(path: Path) -> dict[str, Any]:
    """Return a file as data; strings keep their quotes, blocks are lists."""
    found: dict[str, Any] = hcl2.loads(path.read_text())
    return found


def source(version: str) -> dict[str, Any]:
    """Return the options of a version's source."""
    (found,) = parsed(PACKER / version / "sources.pkr.hcl")["source"]
    return options(found['"amazon-ebs"']['"image"'])


def options(block: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if not key.startswith("__")}


def variables() -> dict[str, str]:
    """Return the type of each variable of the template."""
    found = parsed(PACKER / "variables.pkr.hcl")["variable"]
    return {
        name.strip('"'): TYPES.get(about["type"].strip("${}"), "map")
        for entry in found
        for name, about in entry.items()
    }


def kind(value: Any) -> str:
    """Return the type of an option's value: of what stands there, or of what it names."""
    if isinstance(value, bool | int):
        return "bool" if isinstance(value, bool) else "int"
    if isinstance(value, list):
        return "blocks"
    where, _, name = value.strip("${}").partition(".")
    known = {"var": variables(), "local": LOCALS}
    return known[where][name] if where in known and not value.startswith('"') else "string"


def unlike_the_page(block: dict[str, Any], documented: dict[str, str]) -> set[str]:
    """Return the options of a block that the page lacks, or has with another type or value."""
    wrong: set[str] = set()
    for name, value in options(block).items():
        type_, _, section = documented.get(name, "").partition(": ")
        if section:
            wrong |= {w for inner in value for w in unlike_the_page(inner, SECTIONS[section])}
            wrong |= {name} if type_ == "block" and len(value) != 1 else set()
        elif kind(value) != type_ or not is_allowed(name, str(value).strip('"')):
            wrong.add(name)
    return wrong


def is_allowed(name: str, value: str) -> bool:
    """Tell whether the page allows a value; it lists those of some options only."""
    return value in REFERENCE["values"].get(name, [value])


@pytest.mark.parametrize("path", sorted(PACKER.rglob("*.pkr.hcl")), ids=lambda path: path.name)
def test_every_file_of_the_template_is_hcl(path: Path) -> None:
    assert parsed(path)


def test_every_option_is_one_that_the_plugins_page_has_with_its_type() -> None:
    assert unlike_the_page(source("current"), TOP) == set()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("imds_suport", '"v2.0"'),
        ("imds_support", '"v2"'),
        ("run_tags", '"a tag"'),
        ("source_ami", "${var.source_cidrs}"),
        ("associate_public_ip_address", '"false"'),
        ("metadata_options", [{"http_tokens": '"always"'}]),
        ("launch_block_device_mappings", [{"volume_gib": 8}]),
    ],
)
def test_an_option_that_the_page_does_not_have_is_found(name: str, value: Any) -> None:
    assert unlike_the_page({name: value}, TOP) != set()


def test_tokens_are_required_from_the_launch_and_of_the_image() -> None:
    (metadata,) = source("current")["metadata_options"]

    assert options(metadata) == {
        "http_endpoint": '"enabled"',
        "http_tokens": '"required"',
        "http_put_response_hop_limit": 1,
    }
    assert source("current")["imds_support"] == '"v2.0"'
    assert source("current")["deprecate_at"] == "${var.deprecate_at}"


def test_all_that_a_build_starts_is_tagged() -> None:
    found = source("current")

    assert (found["run_tags"], found["run_volume_tags"]) == ("${local.run_tags}",) * 2
    assert (found["tags"], found["snapshot_tags"]) == ("${local.image_tags}",) * 2
    # With it, image and snapshots would have no tags until the last step.
    assert "skip_ami_run_tags" not in found
    assert found["temporary_key_pair_name"] == '"raykiln-bake-${var.slug}-${var.stamp}"'


def test_both_templates_build_the_same_but_for_what_1_6_6_cannot() -> None:
    old, new = source("1.6.6"), source("current")

    own_access = {"security_group_id", "ssh_keypair_name", "ssh_private_key_file"}
    assert old.keys() - new.keys() == own_access
    assert new.keys() - old.keys() == {
        *("metadata_options", "imds_support", "deprecate_at", "ami_description"),
        *("temporary_key_pair_name", "temporary_security_group_source_cidrs"),
    }
    both = [name for name in new.keys() & old.keys() if kind(new[name]) != "blocks"]
    assert [name for name in both if old[name] != new[name]] == []
    (volume,), (other) = (found["launch_block_device_mappings"] for found in (old, new))
    assert options(volume) == options(other[0])


def test_nothing_is_open_to_the_internet_and_no_build_outlives_packer() -> None:
    found = source("current")

    assert found["temporary_security_group_source_cidrs"] == "${var.source_cidrs}"
    assert found["associate_public_ip_address"] is False
    assert found["shutdown_behavior"] == '"terminate"'
    assert options(found["launch_block_device_mappings"][0])["delete_on_termination"] is True


def test_the_plugin_is_one_that_has_every_option() -> None:
    (block,) = parsed(PACKER / "current/plugins.pkr.hcl")["packer"]
    (plugins,) = block["required_plugins"]
    amazon = {key.strip('"'): value.strip('"') for key, value in plugins["amazon"].items()}

    assert amazon == {"source": "github.com/hashicorp/amazon", "version": ">= 1.3.1, < 2.0.0"}
