"""The table of releases."""

from dataclasses import replace

import pytest

from commands.releases import COLUMNS, changes, row
from common.clients import Clients
from deploy.release.releases import Listed
from tests.unit.deploy.builders import REGION, a_group, a_release

DEPLOYED = Listed(a_release(), "2026-11-22 10:00", "alice@dev", current=True)


def test_a_row_has_a_cell_for_each_column() -> None:
    assert len(row(DEPLOYED)) == len(COLUMNS)


def test_a_release_that_no_rollout_completed_says_so() -> None:
    deployed = COLUMNS.index("deployed")

    assert row(DEPLOYED)[deployed] == "2026-11-22 10:00"
    assert row(replace(DEPLOYED, deployed=""))[deployed] == "not completed"


def test_differences_between_releases_are_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.release.package_changes.image_changes", lambda *others: ())
    old, new = a_release(), a_release(groups=(a_group(object_store_gib=4),))

    assert list(changes(Clients(REGION), "images", old, new)) == [
        "group worker, object store in GiB: Ray's own share → 4"
    ]
    assert list(changes(Clients(REGION), "images", old, old)) == ["they are the same"]
