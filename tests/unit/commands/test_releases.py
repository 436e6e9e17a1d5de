"""The table of releases."""

from dataclasses import replace

from commands.releases import COLUMNS, row
from deploy.release.releases import Listed
from tests.unit.deploy.builders import a_release

DEPLOYED = Listed(a_release(), "2026-11-22 10:00", "alice@dev", current=True)


def test_a_row_has_a_cell_for_each_column() -> None:
    assert len(row(DEPLOYED)) == len(COLUMNS)


def test_a_release_that_no_rollout_completed_says_so() -> None:
    deployed = COLUMNS.index("deployed")

    assert row(DEPLOYED)[deployed] == "2026-11-22 10:00"
    assert row(replace(DEPLOYED, deployed=""))[deployed] == "not completed"
