"""The software in an image: kept in tags, and compared."""

import json
import random

from bake.software import (
    AT_MOST,
    LENGTH,
    software_changes,
    software_in,
    software_tags,
    tagged_software,
)

# As long, and as hard to compress, as those of an image with 400 packages.
NAMES = random.Random(1)  # noqa: S311 (no secret)
MANY = {
    "debian": {f"lib{NAMES.getrandbits(32):x}": f"{NAMES.random():.6}" for _ in range(400)},
    "python": {"ray": "2.60.0"},
}


def test_what_the_tags_hold_is_what_was_put_there_in_any_order() -> None:
    tags = software_tags(MANY)

    assert 1 < len(tags) <= AT_MOST
    assert max(map(len, tags.values())) <= LENGTH
    assert tagged_software(dict(reversed(tags.items())) | {"Name": "ray-head"}) == MANY


def test_what_is_too_much_for_tags_is_not_kept() -> None:
    more = {"debian": {f"lib{NAMES.getrandbits(64):x}": "1" for _ in range(2000)}, "python": {}}

    assert software_tags(more) == {}


def test_tags_that_hold_nothing_that_can_be_read_tell_nothing() -> None:
    half = dict(list(software_tags(MANY).items())[1:])

    assert tagged_software({}) is None
    assert tagged_software(half) is None


def test_only_packages_count() -> None:
    report = {"image": {"digest": "0a"}, "debian": {"bash": "5.2"}, "python": {"ray": "2.60.0"}}

    assert software_in(json.dumps(report)) == {
        "debian": {"bash": "5.2"},
        "python": {"ray": "2.60.0"},
    }


def test_changes_name_what_came_what_went_and_what_is_another_version() -> None:
    old = {"debian": {"bash": "5.2", "curl": "7.88"}, "python": {"ray": "2.60.0"}}
    new = {"debian": {"bash": "5.2", "zstd": "1.5"}, "python": {"ray": "2.61.0"}}

    assert software_changes(old, new) == (
        "debian curl: 7.88 → none",
        "debian zstd: none → 1.5",
        "python ray: 2.60.0 → 2.61.0",
    )
