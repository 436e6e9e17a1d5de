"""The deploy lock: one deployer at a time; a dead one blocks no one; a loss is noticed at once."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from common.actor import actor
from common.clients import Clients
from common.errors import Denied, PipelineError, Refused, Unanswered
from common.waiting import Clock, Seen, wait_for
from deploy.rollout.lock import deploy_lock, find_lock
from deploy.rollout.renewing_clock import LAPSE, RENEW_EVERY, LockLost
from localcloud.world import World
from tests.unit.deploy.builders import REGION, an_environment
from tests.unit.deploy.conftest import Killed
from tests.unit.localcloud.fakes import FakeClock

ENVIRONMENT = an_environment()
KEY = {"cluster": {"S": "dev#deploy"}}


class WeakClients(Clients):
    """Clients whose requests to DynamoDB can be denied, or get no answer."""

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
def another_deployer(
    clients: Clients, clock: FakeClock, purpose: str = "a deploy", **more: Any
) -> Iterator[Clock]:
    """Another deployer, which renews its lock whenever time passes."""
    with lock(clients, FrozenClock(clock), purpose, **more) as kept:
        clock.listeners.append(kept.now)
        yield kept
        clock.listeners.remove(kept.now)


class FrozenClock:
    """The clock of another deployer, whose sleeps take no time here: the test moves time."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        """Return at once."""


def abandon(clients: Clients, clock: FakeClock, purpose: str = "a deploy") -> None:
    """Take the lock and die."""
    with pytest.raises(Killed), lock(clients, clock, purpose):
        raise Killed


def test_names_the_holder_and_is_released_at_the_end(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with lock(clients, clock, "release 12ab"):
        found = find_lock(clients, ENVIRONMENT)

    assert found is not None
    assert found.holder.startswith(actor())
    assert (found.purpose, found.since, found.beat) == ("release 12ab", clock.now(), 0)
    assert find_lock(clients, ENVIRONMENT) is None


def test_does_not_touch_the_item_of_the_head_lease(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with lock(clients, clock):
        items = boto3.client("dynamodb").scan(TableName=ENVIRONMENT.lease_table)["Items"]

    assert [item["cluster"] for item in items] == [KEY["cluster"]]


def test_a_second_deployer_is_refused_within_seconds_and_told_who_holds_it(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with another_deployer(clients, clock, "release 12ab to dev"):
        clock.advance(300)
        began = clock.now()
        with pytest.raises(Refused) as refused, lock(clients, clock):
            pytest.fail("two deployers")

        assert clock.now() - began <= 6
        assert find_lock(clients, ENVIRONMENT) is not None

    assert actor() in refused.value.message
    assert ", for 5 min: release 12ab to dev" in refused.value.message
    assert "invoke deploy --env dev --break-lock" in refused.value.hint


def test_the_lock_of_a_dead_deployer_is_taken_over_and_named(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    abandon(clients, clock, "release 12ab")
    clock.advance(3600)  # its age decides nothing: clocks of two machines are not compared
    began, said = clock.now(), list[str]()

    with lock(clients, clock, "release 34cd", progress=said.append):
        waited = clock.now() - began
        found = find_lock(clients, ENVIRONMENT)

    assert waited == pytest.approx(LAPSE)
    assert found is not None
    assert found.purpose == "release 34cd"
    assert any("not renewed for 12 s" in words for words in said)
    assert said[-1].startswith("taking the lock over from")


def test_of_two_that_await_the_lapse_of_a_lock_one_gets_it(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    abandon(clients, clock)
    taken: list[Any] = []

    def the_other_is_faster() -> None:
        if clock.now() >= end and not taken:
            taken.append(others.enter_context(another_deployer(clients, clock, break_it=True)))

    end = clock.now() + LAPSE
    clock.listeners.append(the_other_is_faster)
    others = ExitStack()
    with (
        others,
        pytest.raises(Refused, match="another deployer is changing"),
        lock(clients, clock),
    ):
        pytest.fail("two deployers")


def test_a_lock_released_while_its_lapse_is_awaited_is_taken_at_once(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    other = lock(clients, FrozenClock(clock))
    other.__enter__()
    end = clock.now() + 3

    def release() -> None:
        if clock.now() == end:
            other.__exit__(None, None, None)

    clock.listeners.append(release)

    with lock(clients, clock, "mine"):
        assert clock.now() == end


def test_a_broken_lock_is_taken_over_at_once_and_stops_its_holder(
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


def test_a_deployer_that_lost_the_lock_is_told_at_every_call_and_releases_nothing(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with lock(clients, clock) as first, lock(clients, clock, "mine", break_it=True):
        clock.advance(6)
        for call in (first.now, first.now, lambda: first.sleep(1)):
            with pytest.raises(LockLost):
                call()
    with lock(clients, clock, "a third"):
        pass


def test_the_first_deployer_does_not_release_the_lock_of_the_second(
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


def test_is_renewed_by_now_and_by_sleep(table: None, clients: Clients, clock: FakeClock) -> None:
    with lock(clients, clock) as kept:
        kept.sleep(4)
        assert beat(clients) == 0
        kept.sleep(60)
        slept = beat(clients)
        clock.advance(5)
        kept.now()

        assert 11 <= slept <= 13
        assert beat(clients) == slept + 1


def test_is_renewed_by_a_clock_that_was_set_back(
    table: None, clients: Clients, clock: FakeClock
) -> None:
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


def test_is_renewed_by_wait_for(table: None, clients: Clients, clock: FakeClock) -> None:
    with lock(clients, clock) as kept:
        end = clock.now() + 100
        wait_for(
            "the work",
            lambda: Seen(True if clock.now() >= end else None, "working"),
            clock=kept,
            seconds=200,
        )

        assert beat(clients) == 20


def test_survives_a_short_time_without_answers_of_aws(
    table: None, clients: WeakClients, clock: FakeClock
) -> None:
    with lock(clients, clock) as kept:
        clients.silent = True
        kept.sleep(10)
        clients.silent = False
        kept.sleep(10)

        assert beat(clients) >= 1


def test_stops_before_another_may_take_over_when_aws_does_not_answer(
    table: None, clients: WeakClients, clock: FakeClock
) -> None:
    with lock(clients, clock) as kept:
        began, clients.silent = clock.now(), True
        with pytest.raises(Unanswered, match="could not be renewed for 1") as failed:
            kept.sleep(600)

    assert not isinstance(failed.value, Denied)  # it may be answered later
    assert clock.now() - began < LAPSE


def test_stops_at_once_when_renewing_is_denied(
    table: None, clients: WeakClients, clock: FakeClock
) -> None:
    with lock(clients, clock) as kept:
        began, clients.denied = clock.now(), True
        with pytest.raises(Denied, match="could not be renewed") as failed:
            kept.sleep(600)
        clients.denied = False

    assert "check the network and the permissions" in failed.value.hint
    assert clock.now() - began <= RENEW_EVERY + 1.0


def test_a_failed_release_is_reported_and_hides_no_error(
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


def test_an_interrupted_deployer_releases_it(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with pytest.raises(KeyboardInterrupt), lock(clients, clock):
        raise KeyboardInterrupt

    assert find_lock(clients, ENVIRONMENT) is None


def test_a_killed_deployer_leaves_it_to_lapse(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    abandon(clients, clock, "release 12ab")

    found = find_lock(clients, ENVIRONMENT)

    assert found is not None
    assert found.purpose == "release 12ab"


def test_is_taken_as_soon_as_the_table_exists(
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


def test_of_two_initial_deploys_the_later_stops_once_the_table_exists(
    no_table: None, clients: Clients, clock: FakeClock
) -> None:
    with lock(clients, clock) as first, lock(clients, clock) as second:
        make_table()
        first.sleep(6)
        with pytest.raises(LockLost, match="took over"):
            second.sleep(6)


def test_a_destroy_continues_once_the_table_is_deleted(
    table: None, clients: Clients, clock: FakeClock
) -> None:
    with lock(clients, clock, "destroy") as kept:
        boto3.client("dynamodb").delete_table(TableName=ENVIRONMENT.lease_table)
        kept.sleep(60)


def test_a_put_whose_answer_was_lost_is_ours(
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


def test_a_github_run_is_named_by_actor_and_run() -> None:
    environ = {"GITHUB_ACTOR": "anna", "GITHUB_RUN_ID": "42", "GITHUB_TOKEN": "hidden"}

    assert actor(environ) == "anna, GitHub run 42"
    assert actor({}).count("@") == 1
