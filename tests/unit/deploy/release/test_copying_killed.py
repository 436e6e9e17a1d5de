"""It must not matter after which request a promotion that copies images dies."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bake.attestations import lacking
from bake.catalog import image_by_id
from bake.channels import read_channel
from deploy.release.promotion import plan_promotion
from localcloud.account import SECOND_REGION
from tests.unit.deploy.conftest import Killed
from tests.unit.deploy.release.places import HEAD, WORKER, Places, make_volume_key, places
from tests.unit.deploy.release.test_copying import shares
from tests.unit.localcloud.conftest import a_world
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

pytestmark = [pytest.mark.slow, pytest.mark.thorough]
STEP = 1 if "RAYKILN_THOROUGH" in os.environ else 16
REQUIRED = {"require": ["tests", "sbom", "provenance"]}


def begun(folder: Path, clock: FakeClock) -> tuple[Places, dict[Any, str]]:
    """Return both places, and what staging serves, encrypted with a key of its account."""
    there = places(clock, folder, region=SECOND_REGION, images=REQUIRED)
    return there, there.bake(key=make_volume_key(there.baker))


def wrong(there: Places, ids: dict[Any, str]) -> list[str]:
    """Return what is not as a promotion leaves it."""
    channel, copies = read_channel(there.owner, "prod", (HEAD, WORKER)), there.copies()
    found = []
    for one, ami_id in ids.items():
        if copies.get(ami_id) != [channel[one].ami_id]:
            found.append(f"{one}: copies {copies.get(ami_id)}, channel {channel[one].ami_id}")
        copy = image_by_id(there.owner, channel[one].ami_id)
        found += lacking(there.owner, there.prod, copy)
        if shares(ami_id) != ([], set(), []):
            found.append(f"{one}: shared: {shares(ami_id)}")
    if not plan_promotion(there.owner, there.staging, there.prod).is_empty:
        found.append("something is left to promote")
    return found


def launchable(there: Places) -> list[str]:
    """Return which images prod could be launched from although not all is known of them."""
    channel = read_channel(there.owner, "prod", (HEAD, WORKER))
    copies = [image_by_id(there.owner, entry.ami_id) for entry in channel.values()]
    return [words for copy in copies for words in lacking(there.owner, there.prod, copy)]


def test_a_promotion_killed_after_any_request_is_completed_by_the_next(tmp_path: Path) -> None:
    sent, total = 0, None
    while total is None or sent < total:
        clock = FakeClock()
        with a_world(clock, FakeDriver(clock)):
            there, ids = begun(tmp_path / str(sent), clock)
            there.owner.left, before = sent, there.owner.calls
            with suppress(Killed):
                there.promote(there.owner)
                total = there.owner.calls - before
            there.owner.left = None
            assert launchable(there) == [], f"killed after {sent}"
            there.promote(there.owner)
            assert wrong(there, ids) == [], f"killed after {sent}"
        sent += STEP


def test_however_often_it_is_killed_it_gets_on(tmp_path: Path) -> None:
    clock = FakeClock()
    with a_world(clock, FakeDriver(clock)):
        there, ids = begun(tmp_path, clock)
        for sent in range(20, 200, 6):
            there.owner.left = sent
            with suppress(Killed):
                there.promote(there.owner)
                break
        there.owner.left = None

        assert wrong(there, ids) == []
