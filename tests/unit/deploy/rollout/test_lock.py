"""The deploy lock: one deployer at a time; the dead are no hindrance, a loss is noticed at once."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from common.actor import actor
from common.clients import Clients
from common.errors import PipelineError, Refused
from common.waiting import Clock, Seen, wait_for
from deploy.rollout.lock import LAPSE, RENEW_EVERY, LockLost, deploy_lock, find_lock
from localcloud.world import World
from tests.unit.deploy.builders import REGION, an_environment
from tests.unit.deploy.conftest import Killed
from tests.unit.localcloud.fakes import FakeClock

ENVIRONMENT = an_environment()
KEY = {"cluster": {"S": "dev#deploy"}}


class WeakClients(Clients):
    """Clients whose requests to DynamoDB can be left without an answer, or be denied."""

    silent = denied = False

    def _count(self, **_: object) -> None:
        if self.silent:
            raise ConnectTimeoutError(endpoint_url="dynamodb")
        if self.denied:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "UpdateItem")
        super()._count()


@pytest.fixture
def no_table(world: World) -> None:
    """A world in which nothing was deployed."""


def make_table() -> None:
    boto3.client("dynamodb").create_table(
        TableName=ENVIRONMENT.lease_table,
        KeySchema=[{"AttributeName": "cluster", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "cluster", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


@pytest.fixture
def table(no_table: None) -> None:
    make_table()


@pytest.fixture
def clients() -> WeakClients:
    return WeakClients(REGION)


def beat(clients: Clients) -> int:
    lock = find_lock(clients, ENVIRONMENT)
    assert lock is not None
    return lock.beat


def lock(clients: Clients, clock: Clock, purpose: str = "a deploy", **more: Any) -> Any:
    return deploy_lock(clients, ENVIRONMENT, purpose, clock=clock, **more)


@contextmanager
def somebody(
    clients: Clients, clock: FakeClock, purpose: str = "a deploy", **more: Any
) -> Iterator[Clock]:
    """Another deployer, who works whenever time passes."""
    with lock(clients, FrozenClock(clock), purpose, **more) as kept:
        clock.listeners.append(kept.now)
        yield kept
        clock.listeners.remove(kept.now)


class FrozenClock:
    """Another's clock in a world whose time the test moves: its sleeps take no time here."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        """Nobody waits for it."""


def abandon(clients: Clients, clock: FakeClock, purpose: str = "a deploy") -> None:
    """Take the lock and die."""
    with pytest.raises(Killed), lock(clients, clock, purpose):
        raise Killed


def test_the_holder_is_known_and_gone_when_it_is_done(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with lock(clients, clock, "release 12ab"):
        found = find_lock(clients, ENVIRONMENT)

    assert found is not None
    assert found.holder.startswith(actor())
    assert (found.purpose, found.since, found.beat) == ("release 12ab", clock.now(), 0)
    assert find_lock(clients, ENVIRONMENT) is None


def test_the_heads_item_is_left_alone(table: None, clients: Clients, clock: FakeClock) -> None:
    with lock(clients, clock):
        items = boto3.client("dynamodb").scan(TableName=ENVIRONMENT.lease_table)["Items"]

    assert [item["cluster"] for item in items] == [KEY["cluster"]]


def test_a_second_deployer_is_refused_within_seconds_and_told_who_and_how(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with somebody(clients, clock, "release 12ab to dev"):
        clock.advance(300)
        began = clock.now()
        with pytest.raises(Refused) as refused, lock(clients, clock):
            pytest.fail("two deployers")

        assert clock.now() - began <= 6
        assert find_lock(clients, ENVIRONMENT) is not None

    assert actor() in refused.value.message
    assert ", for 5 min: release 12ab to dev" in refused.value.message
    assert "invoke deploy --env dev --break-lock" in refused.value.hint


def test_a_dead_deployers_lock_is_taken_over_and_said_so(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    abandon(clients, clock, "release 12ab")
    clock.advance(3600)  # how old it is says nothing: clocks of two machines are not compared
    began, said = clock.now(), list[str]()

    with lock(clients, clock, "release 34cd", progress=said.append):
        waited = clock.now() - began
        found = find_lock(clients, ENVIRONMENT)

    assert waited == pytest.approx(LAPSE)
    assert found is not None
    assert found.purpose == "release 34cd"
    assert any("no sign of life for 12 s" in words for words in said)
    assert said[-1].startswith("taking the lock over from")


def test_of_two_who_watch_a_dead_ones_lock_one_gets_it(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    abandon(clients, clock)
    taken: list[Any] = []

    def the_other_is_faster() -> None:
        if clock.now() >= end and not taken:
            taken.append(others.enter_context(somebody(clients, clock, break_it=True)))

    end = clock.now() + LAPSE
    clock.listeners.append(the_other_is_faster)
    others = ExitStack()
    with (
        others,
        pytest.raises(Refused, match="another deployer is at work"),
        lock(clients, clock),
    ):
        pytest.fail("two deployers")


def test_a_lock_given_back_while_it_is_watched_is_taken_at_once(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    other = lock(clients, FrozenClock(clock))
    other.__enter__()
    end = clock.now() + 3

    def give_back() -> None:
        if clock.now() == end:
            other.__exit__(None, None, None)

    clock.listeners.append(give_back)

    with lock(clients, clock, "mine"):
        assert clock.now() == end


def test_a_broken_lock_changes_hands_at_once_and_stops_who_had_it(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with lock(clients, clock) as first:
        clock.advance(1)
        began = clock.now()
        with lock(clients, clock, "mine", break_it=True):
            assert clock.now() == began
            first.sleep(3)  # nothing is due yet
            with pytest.raises(LockLost, match="another deployer took over dev"):
                first.sleep(3)

    assert find_lock(clients, ENVIRONMENT) is None


def test_who_lost_the_lock_hears_it_at_every_call_and_releases_nothing(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with lock(clients, clock) as first, lock(clients, clock, "mine", break_it=True):
        clock.advance(6)
        for call in (first.now, first.now, lambda: first.sleep(1)):
            with pytest.raises(LockLost):
                call()
    with lock(clients, clock, "a third"):
        pass


def test_the_first_deployer_leaves_the_lock_of_who_took_over(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    said: list[str] = []
    first = lock(clients, clock, progress=said.append)
    first.__enter__()
    with lock(clients, clock, "mine", break_it=True):
        first.__exit__(None, None, None)  # without having noticed

        found = find_lock(clients, ENVIRONMENT)

    assert said == []
    assert found is not None
    assert found.purpose == "mine"


def test_it_is_renewed_while_time_is_asked_or_slept_away(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with lock(clients, clock) as kept:
        kept.sleep(4)
        assert beat(clients) == 0
        kept.sleep(60)
        slept = beat(clients)
        clock.advance(5)
        kept.now()

        assert 11 <= slept <= 13
        assert beat(clients) == slept + 1


def test_a_clock_that_is_set_back_keeps_it(table: None, clients: Clients, clock: FakeClock) -> None:
    with lock(clients, clock) as kept:
        clock.time -= 3600
        kept.now()
        kept.sleep(6)

        assert beat(clients) == 2


def test_a_sleep_takes_as_long_as_without_a_lock(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with lock(clients, clock) as kept:
        for seconds in (0.0, 0.5, 5.0, 12.5):
            began = clock.now()
            kept.sleep(seconds)

            assert clock.now() - began == pytest.approx(seconds)


def test_waiting_by_it_keeps_it(table: None, clients: Clients, clock: FakeClock) -> None:
    with lock(clients, clock) as kept:
        end = clock.now() + 100
        wait_for(
            "the work",
            lambda: Seen(True if clock.now() >= end else None, "at work"),
            clock=kept,
            seconds=200,
        )

        assert beat(clients) == 20


def test_aws_silent_for_a_moment_is_lived_through(
    table: None, clients: WeakClients, clock: FakeClock
) -> None:
    with lock(clients, clock) as kept:
        clients.silent = True
        kept.sleep(10)
        clients.silent = False
        kept.sleep(10)

        assert beat(clients) >= 1


def test_aws_silent_for_long_ends_it_before_another_may_take_over(
    table: None, clients: WeakClients, clock: FakeClock
) -> None:
    with lock(clients, clock) as kept:
        began, clients.silent = clock.now(), True
        with pytest.raises(PipelineError, match="could not be renewed for 1") as failed:
            kept.sleep(600)

    assert not isinstance(failed.value, Refused)
    assert clock.now() - began < LAPSE


def test_one_who_may_not_renew_it_any_more_stops_at_once(
    table: None, clients: WeakClients, clock: FakeClock
) -> None:
    with lock(clients, clock) as kept:
        began, clients.denied = clock.now(), True
        with pytest.raises(PipelineError, match="could not be renewed") as failed:
            kept.sleep(600)
        clients.denied = False

    assert "check the network and the permissions" in failed.value.hint
    assert clock.now() - began <= RENEW_EVERY + 1.0


def test_a_release_that_fails_hides_nothing_and_is_said(
    table: None, clients: WeakClients, clock: FakeClock
) -> None:
    said: list[str] = []

    def fail() -> None:
        with lock(clients, clock, progress=said.append):
            clients.silent = True
            raise PipelineError("the disk is full")

    with pytest.raises(PipelineError, match="the disk is full"):
        fail()

    assert "lapses in 30 s" in said[-1]


def test_an_interrupted_deployer_gives_it_back(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with pytest.raises(KeyboardInterrupt), lock(clients, clock):
        raise KeyboardInterrupt

    assert find_lock(clients, ENVIRONMENT) is None


def test_a_killed_deployer_leaves_it(table: None, clients: Clients, clock: FakeClock) -> None:
    abandon(clients, clock, "release 12ab")

    found = find_lock(clients, ENVIRONMENT)

    assert found is not None
    assert found.purpose == "release 12ab"


def test_without_a_table_it_is_taken_as_soon_as_there_is_one(
    no_table: None, clients: Clients, clock: FakeClock
) -> None:
    with lock(clients, clock, "the first deploy") as kept:
        kept.sleep(20)
        assert find_lock(clients, ENVIRONMENT) is None
        make_table()
        kept.sleep(10)
        found = find_lock(clients, ENVIRONMENT)

    assert found is not None
    assert found.purpose == "the first deploy"
    assert find_lock(clients, ENVIRONMENT) is None


def test_of_two_first_deploys_the_later_stops_when_the_table_is_there(
    no_table: None, clients: Clients, clock: FakeClock
) -> None:
    with lock(clients, clock) as first, lock(clients, clock) as second:
        make_table()
        first.sleep(6)
        with pytest.raises(LockLost, match="took over"):
            second.sleep(6)


def test_a_destroy_goes_on_when_the_table_is_gone(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with lock(clients, clock, "destroy") as kept:
        boto3.client("dynamodb").delete_table(TableName=ENVIRONMENT.lease_table)
        kept.sleep(60)


def test_a_take_whose_answer_was_lost_is_ours(
    table: None, clients: Clients, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamodb = clients("dynamodb")
    put = dynamodb.put_item

    def twice(**arguments: Any) -> Any:  # as botocore does by itself
        put(**arguments)
        return put(**arguments)

    monkeypatch.setattr(dynamodb, "put_item", twice)
    began = clock.now()
    with lock(clients, clock) as kept:
        assert clock.now() == began
        kept.sleep(6)


def test_github_is_named_by_actor_and_run() -> None:
    environ = {"GITHUB_ACTOR": "anna", "GITHUB_RUN_ID": "42", "GITHUB_TOKEN": "hidden"}

    assert actor(environ) == "anna, GitHub run 42"
    assert actor({}).count("@") == 1
