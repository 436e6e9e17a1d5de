"""The stored releases: which there are, when each was deployed, which was served before."""

import json

import boto3
import pytest

from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from deploy.release.config_bucket import point_to_release, store_document
from deploy.release.release import Release
from deploy.release.releases import previous_release_of, release_named, releases
from deploy.release.rollout_journal import RolloutStatus, begin_journal, write_journal
from localcloud.world import World
from tests.unit.deploy.builders import REGION, a_desired_state, a_release, an_environment

OLD, NEW, NEVER = a_release(), a_release("ami-next"), a_release("ami-never")
BEGAN = 1_795_328_495.0  # 2026-11-22 06:21:35 UTC


class Stored:
    """An environment's bucket with releases and journals."""

    def __init__(self) -> None:
        self.clients, self.environment = Clients(REGION), an_environment()
        boto3.client("s3", region_name=REGION).create_bucket(Bucket=self.environment.bucket)

    def add(self, *given: Release) -> None:
        for release in given:
            document = a_desired_state(release).release_document()
            store_document(self.clients, self.environment.bucket, document)

    def serve(self, release: Release) -> None:
        point_to_release(self.clients, self.environment.bucket, "dev", release)

    def rolled_out(
        self,
        before: Release | None,
        after: Release,
        verdict: RolloutStatus = "done",
        hours: int = 0,
    ) -> str:
        began = BEGAN + 3600 * hours
        journal = begin_journal(
            *("dev", "deploy"),
            from_release=before.id if before else "",
            to_release=after.id,
            plan=(),
            now=began,
        ).closed(verdict, began + 60)
        write_journal(self.clients, self.environment.bucket, journal)
        return journal.actor

    @property
    def names(self) -> tuple[Clients, Environment]:
        return self.clients, self.environment


@pytest.fixture
def stored(world: World) -> Stored:
    return Stored()


def test_the_current_release_comes_first_then_the_latest_deployed(stored: Stored) -> None:
    stored.add(NEVER, OLD, NEW)
    stored.serve(OLD)
    stored.rolled_out(None, OLD)
    actor = stored.rolled_out(OLD, NEW, hours=1)
    stored.rolled_out(NEW, NEVER, "failed", hours=2)

    found = releases(*stored.names)

    assert [(one.release, one.deployed, one.by, one.current) for one in found] == [
        (OLD, "2026-11-22 06:21 UTC", actor, True),
        (NEW, "2026-11-22 07:21 UTC", actor, False),
        (NEVER, "", "", False),
    ]


def test_a_release_as_data_has_all_that_it_is_and_when_it_was_deployed(stored: Stored) -> None:
    stored.add(OLD)
    actor = stored.rolled_out(None, OLD)

    (found,) = releases(*stored.names)

    assert found.as_json() == {
        "id": OLD.id,
        "deployed": "2026-11-22 06:21 UTC",
        "by": actor,
        "current": False,
        **json.loads(OLD.to_json()),
    }


def test_without_releases_there_is_nothing_to_list(stored: Stored) -> None:
    assert releases(*stored.names) == ()


def test_a_release_is_named_by_its_id(stored: Stored) -> None:
    stored.add(OLD)

    assert release_named(*stored.names, OLD.id) == OLD
    with pytest.raises(Refused) as refused:
        release_named(*stored.names, "0a1b")

    assert refused.value.message == "dev has no release '0a1b'"
    assert refused.value.hint == "`invoke releases --env dev` lists them"


def test_the_previous_release_is_the_one_served_before_the_current(stored: Stored) -> None:
    stored.add(OLD, NEW)
    stored.serve(NEW)
    stored.rolled_out(None, OLD)
    stored.rolled_out(OLD, NEW, hours=1)

    assert previous_release_of(*stored.names) == OLD


@pytest.mark.parametrize("serves", [True, False])
def test_without_a_previous_release_one_must_be_chosen(stored: Stored, serves: bool) -> None:
    stored.add(OLD)
    if serves:
        stored.serve(OLD)
        stored.rolled_out(None, OLD)

    with pytest.raises(Refused) as refused:
        previous_release_of(*stored.names)

    assert refused.value.message == "dev has no previous release"
    assert refused.value.hint == (
        "`invoke releases --env dev` lists the releases; choose one with --to"
    )
