"""One run of a drill: what is broken is put right however it ends, and what was seen is kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, cast

import pytest

from common.progress import Silent
from drills.kit import run as module
from drills.kit.client import Sample
from drills.kit.phases import Before, LeaseLook, NodesLook, Recovery, Seen
from drills.kit.record import Run
from drills.kit.registry import Drill
from drills.kit.run import run_drill
from drills.kit.scene import DrillFailed, Scene
from tests.unit.deploy.builders import an_environment

BEGAN = 1_000.0
WHOLE = Before(4, "i-old", ("i-old",), {"i-1": "10.0.0.11"}, frozenset({"node-1"}))
Break = Callable[[Scene], None]


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.at = BEGAN

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class Onlooker:
    """A witness that has seen all of it already."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    @contextmanager
    def watching(self, job_every: float) -> Iterator[None]:
        yield


def a_drill(run: Break, recovery: Recovery = Recovery.NOTHING, **facts: Any) -> Drill:
    found = ModuleType("drills.trial", "A trial.")
    vars(found).update(run=run, RECOVERY=recovery, **facts)
    return Drill(found)


def a_scene(seen: Seen | None = None) -> Scene:
    nobody = cast(Any, None)
    witness = cast(Any, Onlooker(seen or Seen()))
    return Scene(an_environment(), nobody, Time(), nobody, WHOLE, witness, Silent())


def do(drill: Drill, scene: Scene) -> Run:
    return run_drill(drill, scene, job_every=0.2)


@pytest.fixture(autouse=True)
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "whole_again", lambda scene: 2.0)


def breaking(scene: Scene) -> None:
    scene.breaks("something", at=BEGAN)


def test_a_drill_after_which_the_cluster_is_whole_has_held() -> None:
    run = do(a_drill(breaking), a_scene())

    assert (run.verdict, run.seen, run.broken) == ("held", "", ("something",))
    assert run.figures == {"whole again": 2.0}


def test_what_was_broken_is_put_right_before_the_cluster_has_to_be_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: list[str] = []

    def whole_again(scene: Scene) -> float:
        order.append("whole")
        return 0.0

    monkeypatch.setattr(module, "whole_again", whole_again)

    def run(scene: Scene) -> None:
        scene.undo.callback(order.append, "put right")
        breaking(scene)

    do(a_drill(run), a_scene())

    assert order == ["put right", "whole"]


def test_an_interrupt_puts_right_what_was_broken() -> None:
    done: list[str] = []

    def run(scene: Scene) -> None:
        scene.undo.callback(done.append, "put right")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(a_drill(run), a_scene())

    assert done == ["put right"]


def test_a_drill_that_fails_is_on_record_with_what_was_seen() -> None:
    def run(scene: Scene) -> None:
        breaking(scene)
        raise DrillFailed("two heads")

    run_ = do(a_drill(run), a_scene())

    assert (run_.verdict, run_.seen) == ("failed", "two heads")


def test_a_drill_that_breaks_nothing_fails() -> None:
    assert do(a_drill(lambda scene: None), a_scene()).seen == "nothing was broken"


def test_a_recovery_that_takes_too_long_fails_though_it_came() -> None:
    seen = Seen(
        [LeaseLook(BEGAN + 9, "i-new", "10.0.0.2", 5, False)],
        [NodesLook(BEGAN + 90, frozenset({"10.0.0.2"}), frozenset({"node-2"}))],
        [Sample(BEGAN + 90, BEGAN + 91, True)],
    )
    drill = a_drill(breaking, Recovery.HEAD, WITHIN=60)

    run = do(drill, a_scene(seen))

    assert run.verdict == "failed"
    assert "not within 60 s: Ray answers after 90 s" in run.seen
    assert run.phases["lease taken"] == 9
