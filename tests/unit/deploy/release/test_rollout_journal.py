"""The rollout journal: stored after every step, read back unchanged, knows the previous release."""

from dataclasses import replace

import boto3
import pytest

from common.actor import actor
from common.clients import Clients
from deploy.release.config_bucket import stored_keys
from deploy.release.rollout_journal import (
    Entry,
    Journal,
    RolloutStatus,
    begin_journal,
    latest_unfinished,
    newest_journal,
    previous_release_id,
    read_journals,
    write_journal,
)
from localcloud.world import World
from tests.unit.deploy.builders import REGION

BUCKET = "raykiln-dev"
BEGAN = 1_795_328_495.0  # 2026-11-22 06:21:35 UTC


def a_journal(
    verdict: RolloutStatus = "done", before: str = "a" * 16, after: str = "b" * 16, hours: float = 0
) -> Journal:
    """Return the journal of a rollout that began ``hours`` after ``BEGAN``."""
    began = BEGAN + hours * 3600
    journal = begin_journal(
        "dev", "deploy", from_release=before, to_release=after, plan=("~ head",), now=began
    )
    journal = journal.noted(Entry("head", "head", began, 12.5, "i-2 leads"))
    return journal if verdict == "running" else journal.closed(verdict, began + 60)


@pytest.fixture
def clients(world: World) -> Clients:
    clients = Clients(REGION)
    clients("s3").create_bucket(Bucket=BUCKET)
    return clients


def test_a_written_journal_is_read_back(clients: Clients) -> None:
    journal = a_journal()

    assert write_journal(clients, BUCKET, journal)
    assert read_journals(clients, BUCKET, "dev") == (journal,)
    assert journal.actor == actor()


def test_its_key_has_the_time_and_the_release(clients: Clients) -> None:
    write_journal(clients, BUCKET, a_journal(after="0a1b2c3d4e5f6071"))

    [entry] = clients("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert entry["Key"] == "dev/rollouts/20261122T062135Z-0a1b2c3d.json"


def test_a_later_write_replaces_an_earlier_one(clients: Clients) -> None:
    running = a_journal("running")
    write_journal(clients, BUCKET, running)
    failed = running.closed("failed", BEGAN + 90, "the head never came up")
    write_journal(clients, BUCKET, failed)

    assert read_journals(clients, BUCKET, "dev") == (failed,)


def test_returns_the_newest_first_and_only_of_this_environment(clients: Clients) -> None:
    old, new = a_journal(hours=1), a_journal(hours=30)
    for journal in (new, old, replace(old, environment="prod")):
        write_journal(clients, BUCKET, journal)

    assert read_journals(clients, BUCKET, "dev") == (new, old)
    assert read_journals(clients, BUCKET, "dev", newest=1) == (new,)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"verdict": "done"}', '{"verdict": "perhaps"}', "\udcff"]
)
def test_unreadable_journals_are_left_out(clients: Clients, text: str) -> None:
    write_journal(clients, BUCKET, a_journal())
    body = text.encode(errors="surrogateescape")
    clients("s3").put_object(Bucket=BUCKET, Key="dev/rollouts/20270101T000000Z-x.json", Body=body)

    assert read_journals(clients, BUCKET, "dev") == (a_journal(),)


def test_the_newest_journal_of_an_environment_is_read_in_one_call(clients: Clients) -> None:
    newest = a_journal(hours=2)
    for journal in (a_journal(hours=1), newest, replace(a_journal(hours=3), environment="prod")):
        write_journal(clients, BUCKET, journal)
    keys = {*stored_keys(clients, BUCKET, "dev"), *stored_keys(clients, BUCKET, "prod")}
    calls = clients.calls

    assert newest_journal(clients, BUCKET, "dev", keys) == newest
    assert clients.calls - calls == 1
    assert newest_journal(clients, BUCKET, "test", keys) is None
    assert newest_journal(clients, BUCKET, "dev", ["dev/rollouts/gone.json"]) is None


def test_without_a_bucket_nothing_is_read_or_written(world: World) -> None:
    clients = Clients(REGION)

    assert read_journals(clients, "none-yet", "dev") == ()
    assert not write_journal(clients, "none-yet", a_journal())


def test_only_the_newest_can_be_unfinished() -> None:
    old, new = a_journal("running", hours=1), a_journal("done", hours=2)

    assert latest_unfinished((old,)) == old
    assert latest_unfinished((new, old)) is None
    assert latest_unfinished(()) is None


def history(*ended: tuple[RolloutStatus, str, str]) -> tuple[Journal, ...]:
    """Return journals, newest first, of rollouts given oldest first."""
    found = [a_journal(verdict, old, new, hours) for hours, (verdict, old, new) in enumerate(ended)]
    return tuple(reversed(found))


@pytest.mark.parametrize(
    ("journals", "current", "previous"),
    [
        (history(), "A", None),
        (history(("done", "", "A")), "A", None),
        (history(("done", "", "A"), ("done", "A", "B")), "B", "A"),
        (history(("done", "A", "B")), "B", "A"),
        (history(("done", "A", "B"), ("done", "B", "B")), "B", "A"),  # settings alone
        (history(("done", "A", "B"), ("rolled back", "B", "C")), "B", "A"),
        (history(("done", "A", "B"), ("failed", "B", "C")), "B", "A"),
        (history(("done", "A", "B"), ("running", "B", "C")), "B", "A"),
        (history(("done", "A", "B"), ("done", "B", "A")), "A", "B"),  # a rollback by hand
        (history(("done", "A", "B"), ("done", "B", "C")), "C", "B"),
        (history(("failed", "", "A"), ("done", "", "A"), ("done", "A", "B")), "B", "A"),
        (history(("done", "A", "B"), ("done", "A", "B"), ("done", "B", "C")), "C", "B"),
        (history(("done", "A", "B"), ("done", "B", "A"), ("done", "A", "C")), "C", "A"),
        (history(("rolled back", "A", "B")), "A", None),
        (history(("done", "A", "B")), "X", "B"),  # its journal was lost
    ],
)
def test_the_previous_release_is_the_last_one_served_before(
    journals: tuple[Journal, ...], current: str, previous: str | None
) -> None:
    assert previous_release_id(journals, current) == previous


def test_each_journal_takes_one_call(clients: Clients) -> None:
    for hours in range(3):
        write_journal(clients, BUCKET, a_journal(hours=hours))
    calls = clients.calls

    read_journals(clients, BUCKET, "dev")

    assert clients.calls - calls == 4
    assert boto3.client("s3").list_objects_v2(Bucket=BUCKET)["KeyCount"] == 3
