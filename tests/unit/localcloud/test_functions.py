"""Functions on this host: how many run at once."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from common.waiting import Seen, SystemClock, wait_for
from localcloud import functions
from localcloud.driver import Answer, Work
from localcloud.functions import Functions
from localcloud.paths import Paths

EMPTY_ZIP = b"PK\x05\x06" + bytes(18)


def test_as_many_run_at_once_as_there_are_cpus_and_the_others_wait_their_turn(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most, go_on = list[str](), list[int](), threading.Event()

    def run_for(command: list[str], text: str, seconds: float, environment: Any) -> Answer:
        running.append(text)
        most.append(len(running))
        go_on.wait(10)
        running.pop()
        return Answer(0, "done", "")

    monkeypatch.setattr(functions, "run_for", run_for)
    monkeypatch.setattr(functions, "AT_ONCE", 2)
    home = tmp_path_factory.mktemp("home")  # with a name short enough to have no link
    place = Paths(home, home)
    place.run.mkdir()
    found = Functions(place)
    for number in range(5):
        found.invoke(str(number), Work(EMPTY_ZIP, "a.b", "{}", {}, 3.0))
    _await(lambda: len(running) == 2)
    assert [found.invoked(str(number)) for number in range(5)] == [None] * 5

    go_on.set()

    answers = dict[str, Answer]()

    def all_answered() -> bool:
        for name in {str(number) for number in range(5)} - set(answers):
            if answer := found.invoked(name):
                answers[name] = answer
        return len(answers) == 5

    _await(all_answered)
    assert max(most) == 2
    assert {answer.stdout for answer in answers.values()} == {"done"}


def _await(holds: Callable[[], bool]) -> None:
    wait_for(
        "functions", lambda: Seen(holds() or None, ""), clock=SystemClock(), seconds=10, every=0.01
    )
