"""It must not matter which call of a promotion that copies images goes wrong, nor how.

The kinds of faults are those of rollouts (tests/unit/simulation/faulty_calls.py), but for deaths,
which are in test_copying_killed.py. A thorough run has each of them at every call.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from common.errors import PipelineError
from tests.marks import THOROUGH_ONLY
from tests.unit.deploy.release.places import PlaceClients, Places
from tests.unit.deploy.release.test_copying_killed import begun, launchable, wrong
from tests.unit.localcloud.conftest import a_world
from tests.unit.localcloud.fakes import FakeClock, FakeDriver
from tests.unit.simulation.calls import NO_CALL, Call
from tests.unit.simulation.faulty_calls import Fault, Wire

pytestmark = [pytest.mark.slow, pytest.mark.thorough]
KINDS = ("throttled", "denied", "failing", "timed out", "sent twice")
Chosen = Callable[[Call], bool]


class Unwatched:
    """Looks at no call."""

    title = ""

    def sends(self, call: Call, *, faulty: bool) -> None:
        pass


@contextmanager
def one_fault(there: Places, kind: str, chosen: Chosen) -> Iterator[tuple[PlaceClients, Wire]]:
    """Yield clients whose first chosen call goes wrong, and the wire that they send over."""
    wire = Wire(there.clock, Unwatched())
    wire.fault_for = lambda call: Fault(kind, call, there.clock) if chosen(call) else None
    clients = PlaceClients(there.owner.keys, there.owner.region)
    with ExitStack() as stack:
        stack.enter_context(wire.pausing())
        clients.made = lambda client: stack.enter_context(wire.between(client))
        yield clients, wire


def tried(folder: Path, kind: str, chosen: Chosen) -> tuple[Call, list[str]]:
    """Promote with one fault, then once more; return the call that it befell, and what is wrong.

    A failed promotion ends with words and a hint; what is sent twice does not fail it.
    """
    clock = FakeClock()
    with a_world(clock, FakeDriver(clock)):
        there, ids = begun(folder, clock)
        found = []
        with one_fault(there, kind, chosen) as (clients, wire):
            try:
                there.promote(clients)
            except PipelineError as error:
                if kind == "sent twice" or not error.hint:
                    found.append(f"{error.message} ({error.hint})")
        if wire.fault is None:
            return NO_CALL, []
        found += launchable(there)
        there.promote(there.owner)
        return wire.fault.call, found + wrong(there, ids)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("AssumeRole", "throttled"),
        ("CreateGrant", "denied"),
        ("ModifySnapshotAttribute", "failing"),
        ("CopyImage", "timed out"),
        ("CopyImage", "sent twice"),
        ("DescribeSnapshots", "throttled"),
        ("PutObject", "sent twice"),
        ("Sign", "denied"),
        ("PutParameter", "timed out"),
    ],
)
def test_after_a_fault_the_next_promotion_completes_it(
    operation: str, kind: str, tmp_path: Path
) -> None:
    call, found = tried(tmp_path, kind, lambda call: call.operation == operation)

    assert (call.operation, found) == (operation, [])


@THOROUGH_ONLY
@pytest.mark.parametrize("kind", KINDS)
def test_after_a_fault_of_any_call_the_next_promotion_completes_it(
    kind: str, tmp_path: Path
) -> None:
    number, failures = 0, []
    call = None
    while call is not NO_CALL:
        number += 1
        call, found = tried(tmp_path / str(number), kind, lambda call: call.number == number)  # noqa: B023 - called before the next round
        failures += [f"{kind} at {call.words}: {words}" for words in found]

    assert number > 90
    assert failures == []
