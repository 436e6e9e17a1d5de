"""No more instances at once than the account's vCPU quota leaves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bake import turns as module
from bake.cancellation import Cancellation, Cancelled
from bake.turns import Turns, turns_for
from bake.wanted import WantedImage
from common.errors import Refused
from common.instance_types import TypeFacts
from tests.unit.answers import Answers

STANDARD, GPUS = "L-1216C47A", "L-DB2E81BA"
IMAGES = tuple(WantedImage("worker", name) for name in "abcd")
VCPUS = {"m6i.large": 2, "m6i.4xlarge": 16, "g5.xlarge": 4}


class FakeAws:
    """An account with a limit for every quota, and instances that run."""

    def __init__(self, limit: float | None, *running: str, spot: tuple[str, ...] = ()) -> None:
        self.limit, self.running, self.spot = limit, running, spot

    def __call__(self, service: str) -> "FakeAws":
        return self

    def get_paginator(self, operation: str) -> "FakeAws":
        assert operation == "describe_instances"
        return self

    def paginate(self, **_: Any) -> Iterator[Any]:
        for kind in self.running:
            yield {"Reservations": [{"Instances": [{"InstanceType": kind}]}]}
        lifecycle = {"InstanceLifecycle": "spot"}
        spot = [{"InstanceType": kind, **lifecycle} for kind in self.spot]
        yield {"Reservations": [{"Instances": spot}]}

    def describe_instance_types(self, InstanceTypes: list[str]) -> Any:  # noqa: N803
        kinds = [
            {
                "InstanceType": kind,
                "VCpuInfo": {"DefaultVCpus": VCPUS[kind]},
                "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
                "SupportedUsageClasses": ["on-demand", "spot"],
            }
            for kind in InstanceTypes
        ]
        return {"InstanceTypes": kinds}

    def get_service_quota(self, **_: Any) -> Any:
        if self.limit is None:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetServiceQuota")
        return {"Quota": {"Value": self.limit}}


def turns(aws: Any, kind: str = "m6i.large", said: list[str] | None = None) -> Turns:
    say = said.append if said is not None else lambda words: None
    return turns_for(aws, dict.fromkeys(IMAGES, kind), say)


def most_at_once(made: Turns) -> int:
    """Let all images have their turns in threads of their own; return the most at one time."""
    lock, start = Lock(), Barrier(len(IMAGES))
    now, seen = 0, 0

    def work(image: WantedImage) -> None:
        nonlocal now, seen
        start.wait(10)
        with made.turn(image, Cancellation(), lambda words: None):
            with lock:
                now += 1
                seen = max(seen, now)
            Event().wait(0.05)
            with lock:
                now -= 1

    with ThreadPoolExecutor(len(IMAGES)) as pool:
        list(pool.map(work, IMAGES))
    assert now == 0
    return seen


@pytest.mark.parametrize(
    ("aws", "most"),
    [
        (FakeAws(1000), 4),
        (FakeAws(4), 2),
        (FakeAws(20, "m6i.4xlarge"), 2),
        (FakeAws(19, "m6i.4xlarge"), 1),
        (FakeAws(4, "g5.xlarge", spot=("m6i.large", "m6i.large")), 2),
    ],
)
def test_as_many_at_once_as_the_quota_leaves(aws: FakeAws, most: int) -> None:
    assert most_at_once(turns(aws)) == most


def test_images_of_different_quotas_do_not_wait_for_each_other() -> None:
    kinds = ["m6i.large", "g5.xlarge", "m6i.large", "g5.xlarge"]
    aws: Any = FakeAws(4)

    assert most_at_once(turns_for(aws, dict(zip(IMAGES, kinds, strict=True)), print)) == 3


def test_a_quota_that_leaves_too_little_for_one_instance_is_refused() -> None:
    with pytest.raises(Refused, match=r"g5\.xlarge needs 4 vCPUs, .* quota leaves 3") as refused:
        turns(FakeAws(7, "g5.xlarge"), "g5.xlarge")

    assert GPUS in refused.value.hint


def test_a_quota_that_cannot_be_read_limits_nothing_and_is_said() -> None:
    said: list[str] = []

    assert most_at_once(turns(FakeAws(None), said=said)) == 4
    assert said == ["the account's vCPU quotas could not be read: all images are baked at once"]


def test_however_large_the_quota_the_operators_machine_does_not_run_them_all() -> None:
    kind = TypeFacts("m6i.large", 2, 0, ("x86_64",))

    assert most_at_once(Turns(dict.fromkeys(IMAGES, kind), {STANDARD: 1000}, most=3)) == 3


def test_who_waits_for_a_turn_stops_when_the_bake_is_cancelled() -> None:
    made, cancellation = turns(FakeAws(2)), Cancellation()
    said: list[str] = []

    with made.turn(IMAGES[0], cancellation, said.append):
        cancellation.request()
        with pytest.raises(Cancelled), made.turn(IMAGES[1], cancellation, said.append):
            pytest.fail("it got a turn that the quota does not leave")

    assert most_at_once(made) == 1


def test_who_waits_says_so() -> None:
    made, said = turns(FakeAws(2)), Event()
    words: list[str] = []

    def say(text: str) -> None:
        words.append(text)
        said.set()

    with ThreadPoolExecutor(1) as pool:
        with made.turn(IMAGES[0], Cancellation(), print):
            waiting = pool.submit(lambda: made.turn(IMAGES[1], Cancellation(), say).__enter__())
            assert said.wait(10)
        waiting.result(10)

    assert words[0] == "waits for its turn: 2 vCPUs of the account's quota"


def test_a_refusal_says_what_is_left_and_which_quota_it_is() -> None:
    with pytest.raises(Refused) as refused:
        turns(FakeAws(19, "m6i.4xlarge", "m6i.large"), "m6i.large")

    assert refused.value.message == (
        "worker a: a build instance m6i.large needs 2 vCPUs, and the account's quota leaves 1"
    )
    assert refused.value.hint == (
        f"terminate instances, or request a higher quota (Service Quotas, ec2, {STANDARD})"
    )
    with pytest.raises(Refused, match=r"quota leaves 0\n"):
        turns(FakeAws(2, "m6i.4xlarge"), "m6i.large")


def test_of_what_runs_on_demand_instances_count_by_their_type() -> None:
    def instances(*kinds: str, **fields: str) -> dict[str, Any]:
        return {"Instances": [{"InstanceType": kind, **fields} for kind in kinds]}

    pages = (
        {"Reservations": [instances("a", "b"), instances("a")]},
        {"Reservations": [instances("b", InstanceLifecycle="spot")]},
    )
    aws: Any = Answers(describe_instances=pages)

    assert module._running(aws) == {"a": 2, "b": 1}
    states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    assert aws.requests == [("ec2:describe_instances", {"Filters": states})]


def test_a_turn_that_ends_lets_the_next_one_begin_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (module.AT_ONCE, module.LOOK_SECONDS) == (8, 0.5)
    monkeypatch.setattr(module, "LOOK_SECONDS", 60)
    made, waits = turns(FakeAws(2)), Event()

    def take() -> None:
        with made.turn(IMAGES[1], Cancellation(), lambda words: waits.set()):
            pass

    with ThreadPoolExecutor(1) as pool:
        with made.turn(IMAGES[0], Cancellation(), print):
            waiting = pool.submit(take)
            assert waits.wait(10)
        waiting.result(30)
