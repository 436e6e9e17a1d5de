"""The software in an image is stored in tags and can be compared."""

import json
import random

from bake.software import (
    AT_MOST,
    LENGTH,
    Report,
    software_changes,
    software_tags,
    tagged_software,
)

# As long, and as hard to compress, as the names in an image with 400 packages.
NAMES = random.Random(1)  # noqa: S311 (no secret)
MANY = {
    "debian": {f"lib{NAMES.getrandbits(32):x}": f"{NAMES.random():.6}" for _ in range(400)},
    "python": {"ray": "2.60.0"},
}


def test_the_software_is_read_back_from_tags_in_any_order() -> None:
    tags = software_tags(MANY)

    assert 1 < len(tags) <= AT_MOST
    assert max(map(len, tags.values())) <= LENGTH
    assert tagged_software(dict(reversed(tags.items())) | {"Name": "ray-head"}) == MANY


def test_software_that_does_not_fit_is_not_stored() -> None:
    more = {"debian": {f"lib{NAMES.getrandbits(64):x}": "1" for _ in range(2000)}, "python": {}}

    assert software_tags(more) == {}


def test_tags_that_cannot_be_decoded_give_none() -> None:
    half = dict(list(software_tags(MANY).items())[1:])

    assert tagged_software({}) is None
    assert tagged_software(half) is None


def test_only_packages_are_stored() -> None:
    content = {
        "image": {"digest": "0a"},
        "debian": {"bash": "5.2"},
        "python": {"ray": "2.60.0"},
        "python_version": "3.11.2",
        "gpu": {"failed": "", "words": "skipped: no GPU"},
    }

    report = Report.parse(json.dumps(content))

    assert report.software == {"debian": {"bash": "5.2"}, "python": {"ray": "2.60.0"}}
    assert (report.python, report.gpu) == ("3.11.2", "skipped: no GPU")


def test_changes_name_added_removed_and_updated_packages() -> None:
    old = {"debian": {"bash": "5.2", "curl": "7.88"}, "python": {"ray": "2.60.0"}}
    new = {"debian": {"bash": "5.2", "zstd": "1.5"}, "python": {"ray": "2.61.0"}}

    assert software_changes(old, new) == (
        "debian curl: 7.88 → none",
        "debian zstd: none → 1.5",
        "python ray: 2.60.0 → 2.61.0",
    )
