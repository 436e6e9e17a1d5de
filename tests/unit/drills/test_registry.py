"""Every file beside the kit is a drill that says what breaks, what must hold, and its runbook."""

from pathlib import Path

import pytest

from common.errors import Refused
from drills.kit.phases import Recovery
from drills.kit.registry import PARTS, Drill, drill_for, drill_named, drills
from tests.unit.deploy.builders import an_environment

ROOT = Path(__file__).resolve().parents[3]
DRILLS = {drill.name: drill for drill in drills()}


@pytest.mark.parametrize("drill", DRILLS.values(), ids=DRILLS.keys())
def test_a_drill_says_what_breaks_and_names_its_runbook(drill: Drill) -> None:
    assert drill.title.endswith(".")
    assert tuple(drill.parts) == PARTS
    assert (ROOT / drill.parts["Runbook"]).is_file()
    assert isinstance(drill.recovery, Recovery)
    assert drill.within > 0
    assert callable(drill.run)


@pytest.mark.parametrize("drill", DRILLS.values(), ids=DRILLS.keys())
def test_its_runbook_names_the_drill(drill: Drill) -> None:
    assert drill.name in (ROOT / drill.parts["Runbook"]).read_text()


def test_every_drill_is_in_the_documentation() -> None:
    page = (ROOT / "docs/drills.md").read_text()

    assert [name for name in DRILLS if f"`{name}`" not in page] == []


def test_a_drill_is_found_by_its_name_with_dashes_or_underscores() -> None:
    assert drill_named("gcs-killed").name == drill_named("gcs_killed").name == "gcs_killed"


def test_an_unknown_drill_is_refused() -> None:
    with pytest.raises(Refused, match="no drill 'kit'"):
        drill_named("kit")


def test_a_drill_for_the_local_cloud_only_is_refused_on_aws() -> None:
    with pytest.raises(Refused, match="local cloud only: EC2 has no call"):
        drill_for("power_lost", an_environment(provider="aws"))

    assert drill_for("power_lost", an_environment(provider="localcloud")).name == "power_lost"
