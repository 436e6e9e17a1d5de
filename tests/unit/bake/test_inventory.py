"""What is in an image is read from its build instance's words, and compared part by part."""

import pytest

from bake.inventory import Inventory, change_words, changes
from tests.unit.bake.inventories import inventory_json


def test_every_part_is_compared() -> None:
    old = Inventory.parse(inventory_json())
    new = Inventory.parse(
        inventory_json(
            system={"id": "debian", "version_id": "13", "pretty_name": "Debian 13"},
            kernels=["6.12.0"],
            debian={
                "openssl": ["3.5.1-1", "amd64", "openssl"],
                "zstd": ["1.5", "amd64", "libzstd"],
            },
            python={"/opt/ray": {"version": "3.11.2", "packages": {"ray": "2.61.0"}}},
            units={"ray-head.service": "disabled"},
            users={},
            settings={"net.core.somaxconn": "4096"},
            files={
                "/opt/raykiln/node/log.py": {"sha256": "c" * 64, "sha1": "d" * 40},
                "/etc/new": {"sha256": "e" * 64, "sha1": "f" * 40},
            },
        )
    )

    found = changes(old, new)
    lines = [
        change_words(part, name, one) for part, all_ in found.items() for name, one in all_.items()
    ]

    assert lines == [
        "system pretty_name: Debian 12 (bookworm) → Debian 13",
        "system version_id: 12 → 13",
        "kernel 6.1.0-41-cloud-amd64: installed → none",
        "kernel 6.12.0: none → installed",
        "debian openssl: 3.0.17-1 → 3.5.1-1",
        "debian zstd: none → 1.5",
        "python /usr six: 1.16.0 → none",
        "python /opt/ray ray: 2.60.0 → 2.61.0",
        "unit ray-head.service: enabled → disabled",
        "user ray: 998 /usr/sbin/nologin → none",
        "setting net.core.somaxconn: 8192 → 4096",
        "file /etc/new: added",
        "file /opt/raykiln/node/log.py: changed",
    ]


def test_what_is_the_same_is_left_out() -> None:
    one = Inventory.parse(inventory_json())

    assert changes(one, one) == {}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"system": 1}'])
def test_other_texts_are_none(text: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Inventory.parse(text)
