"""How many workers join a new head in the same second, with jitter and without. Real gates.

``RAYKILN_THOROUGH=1`` does it with ten thousand too.
"""

import heapq
import os
from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from node.ray.gcs import Gcs
from node.worker.gate import Gate, jittered
from tests.unit.node.fakes import FakeClock, FakeGcs, MemoryTable, silent
from tests.unit.node.worker.test_watchdog import led_by

HEAD = "10.0.0.1"
THOROUGH = os.environ.get("RAYKILN_THOROUGH") == "1"
SIZES = [10, 1000, 10_000] if THOROUGH else [10, 1000]
HEAD_READY = 1010.0  # ten seconds after the workers have reached their gates


def joins(workers: int, spread: float) -> list[float]:
    """Return when each worker's gate opened, in seconds after the head was ready."""
    clock, table = FakeClock(), MemoryTable()
    table.item = led_by(HEAD)
    gcs = FakeGcs()

    def ask(address: str) -> Gcs:
        return gcs

    def gate() -> Gate:
        return Gate(
            table,
            "head",
            resolve=lambda _: HEAD,
            gcs=ask,
            refresh_secret=lambda: None,
            clock=clock,
            log=silent,
            rejoin_seconds=spread,
        )

    start = Random(workers)  # noqa: S311 (no secret)
    queue = [(clock() + start.uniform(0, 5), number, gate()) for number in range(workers)]
    heapq.heapify(queue)
    opened: list[float] = []
    while queue:
        clock.seconds, number, waiting = heapq.heappop(queue)
        if clock() >= HEAD_READY and not gcs.nodes:
            gcs.nodes = FakeGcs(HEAD).nodes
        if waiting.step():
            opened.append(clock() - HEAD_READY)
        else:
            heapq.heappush(queue, (clock() + jittered(1.0), number, waiting))
    return opened


def peak(opened: list[float]) -> int:
    """Return the most joins within one second."""
    return max(Counter(int(at) for at in opened).values())


@pytest.mark.thorough
@pytest.mark.parametrize("workers", SIZES)
def test_jitter_flattens_the_peak_in_proportion_and_costs_no_more_than_its_length(
    workers: int, record_property: Callable[[str, object], None]
) -> None:
    spread = workers / 200
    at_once, in_turns = joins(workers, 0.0), joins(workers, spread)

    record_property("peak_joins_a_second", (peak(at_once), peak(in_turns)))
    record_property("last_after_seconds", (max(at_once), max(in_turns)))
    print(f"{workers}: at once {peak(at_once)}/s, last {max(at_once):.1f} s; ", end="")
    print(f"over {spread:.2f} s {peak(in_turns)}/s, last {max(in_turns):.1f} s")
    assert len(at_once) == len(in_turns) == workers
    assert max(at_once) < 1.6
    assert max(in_turns) < spread + 3.1
    if workers >= 1000:
        assert peak(at_once) > workers / 2
        assert peak(in_turns) < 300
