"""Whatever network, clocks, schedulers and power do: never two heads, and soon one again.

A model in the sense of hypothesis' stateful tests: rules that disturb, in any order, and an
invariant that every start of Ray checks. ``MUTATIONS`` are mistakes one could make in lease and
guard; the model has to find each. ``RAYKILN_THOROUGH=1`` tells a hundred times as many stories.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from node.head import phases
from node.head.guard import Guard
from node.lease.lease import LEASE_TIMES, Lease
from node.lease.table import LeaseItem, Refused, Unknown
from tests.marks import THOROUGH_ONLY
from tests.unit.node.fakes import MemoryTable
from tests.unit.node.lease_world import Fate, Machine, Parts, World

pytestmark = pytest.mark.slow

DEEP = 100 if os.environ.get("RAYKILN_THOROUGH") == "1" else 1
UNDER_WAY = 12.0  # the longest that a call or a pause lasts
FIND = 150  # stories at most until a mistake is found
SOON = 25.0  # a lease's length and a Ray's start, on the slowest clock, and a restart
STORIES = settings(
    derandomize=DEEP == 1,
    database=None,
    deadline=None,
    stateful_step_count=20,
    suppress_health_check=list(HealthCheck),
)

machines = st.integers(0, 3)
calls = st.sampled_from(["read", "take", "renew", "release"])
points = st.sampled_from(["feed", "deadline", "start"])
pauses = st.sampled_from([0.5, 2.0, 4.0, 5.0, 6.5, 12.0])
fates = st.builds(
    Fate,
    there=st.sampled_from([0.01, 0.5, 1.9, 5.0, UNDER_WAY]),
    back=st.sampled_from([0.01, 0.9, 3.0]),
    paused=st.sampled_from([0.0, 0.0, 1.0, 4.0, 5.0, 6.5]),
    lost=st.booleans(),
    twice=st.booleans(),
    throttled=st.sampled_from([False, False, True]),
)


class Heads(RuleBasedStateMachine):
    """Two or three heads; time passes in each rule."""

    parts: ClassVar[Parts] = Parts()
    ends_well = True

    @initialize(
        rates=st.lists(st.sampled_from([0.9, 1.0, 1.1]), min_size=2, max_size=3),
        reaping=st.sampled_from([0.0, 1.0]),
    )
    def start(self, rates: list[float], reaping: float) -> None:
        self.world = World(self.parts, rates, reaping)
        self.pass_time(8.0)

    def pass_time(self, seconds: float) -> None:
        try:
            self.world.run(seconds)
        except BaseException:
            self.ends_well = False
            raise

    def machine(self, number: int) -> Machine:
        """Return the leader for 0, if there is one; else a head by its number."""
        if number == 0 and self.world.leaders:
            return self.world.leaders[0]
        return self.world.machines[number % len(self.world.machines)]

    @rule(seconds=st.sampled_from([0.25, 1.0, 2.0, 5.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.pass_time(seconds)

    @rule(number=machines, call=calls, fate=fates, times=st.sampled_from([1, 1, 2, 20]))
    def disturb_calls(self, number: int, call: str, fate: Fate, times: int) -> None:
        self.machine(number).fates[call] = [fate] * times
        self.pass_time(0.5)

    @rule(number=machines, fate=fates, times=st.sampled_from([3, 30]))
    def cut_off(self, number: int, fate: Fate, times: int) -> None:
        for call in ("read", "take", "renew", "release"):
            self.machine(number).fates[call] = [replace(fate, lost=True)] * times
        self.pass_time(2.0)

    @rule(number=machines, point=points, seconds=pauses)
    def pause(self, number: int, point: str, seconds: float) -> None:
        self.machine(number).pauses[point] = seconds
        self.pass_time(1.0)

    @rule(paused=st.sampled_from([2.0, 4.0, 5.0]), again=st.sampled_from([4.0, 6.5, 12.0]))
    def pause_around_an_answer(self, paused: float, again: float) -> None:
        """Pause the leader after an answered renewal, and again when the next one is lost."""
        lost = Fate(paused=again, lost=True)
        self.machine(0).fates["renew"] = [Fate(paused=paused), lost]
        self.pass_time(15.0)

    @rule(silent=st.sampled_from([4.0, 5.0]), paused=st.sampled_from([1.0, 4.5, 5.2]))
    def pause_over_a_beat(self, silent: float, paused: float) -> None:
        """Have standbys use a read from before a renewal that came just in time."""
        leader = self.machine(0)
        leader.fates["renew"] = [Fate(lost=True), Fate(there=1.9)]
        self.pass_time(silent)
        for standby in self.world.machines:
            if standby is not leader:
                standby.fates["read"] = [Fate(paused=paused)]
        self.pass_time(10.0)

    @rule(fate=fates)
    def fail_with_a_release_under_way(self, fate: Fate) -> None:
        leader = self.machine(0)
        leader.fates["release"] = [fate]
        leader.ray.die()
        self.pass_time(UNDER_WAY)

    @rule(number=machines, seconds=st.sampled_from([0.5, 3.0, 15.0]))
    def power_off(self, number: int, seconds: float) -> None:
        self.machine(number).power_off(seconds)
        self.pass_time(1.0)

    @rule(number=machines)
    def restart_unit(self, number: int) -> None:
        if process := self.machine(number).process:
            process.ask_to_stop()
        self.pass_time(1.0)

    @rule(number=machines, dies=st.booleans(), hangs=st.booleans(), stubborn=st.booleans())
    def trouble_ray(self, number: int, dies: bool, hangs: bool, stubborn: bool) -> None:
        ray = self.machine(number).ray
        if dies:
            ray.die()
        ray.responsive, ray.stubborn = not hangs, stubborn
        self.pass_time(5.0)

    @rule(whom=st.sampled_from(["a standby", "a standby", "the leader", "a dead one", "none"]))
    def name_successor(self, whom: str) -> None:
        """Begin a hand-over, or one that cannot succeed, or cancel it."""
        leader = self.machine(0)
        standbys = [machine for machine in self.world.machines if machine is not leader]
        names = {"a standby": standbys[0].name, "the leader": leader.name, "a dead one": "i-dead"}
        self.world.table.name_successor(names.get(whom, ""))
        self.pass_time(1.0)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            if self.ends_well:
                self.recover()
        finally:
            self.world.stage.end()

    def recover(self) -> None:
        """Without faults exactly one head leads soon, and then any successor that is named."""
        self.world.calm()
        self.pass_time(UNDER_WAY + SOON)
        assert len(self.world.leaders) == 1
        next_holder = self.world.machines[-1]
        self.world.table.name_successor(next_holder.name)
        self.pass_time(10.0)
        assert self.world.leaders == [next_holder]


@pytest.mark.thorough
def test_two_heads_never_run_ray_together_and_without_faults_one_does() -> None:
    run_state_machine_as_test(Heads, settings=settings(STORIES, max_examples=30 * DEEP))


class TakesByEpochAlone(MemoryTable):
    def take(
        self, seen: LeaseItem | None, holder: str, address: str, autoscaler: str, refused: str
    ) -> None:
        same_epoch = self.item and seen and self.item.epoch == seen.epoch
        super().take(self.item if same_epoch else seen, holder, address, autoscaler, refused)


class ReleasesFirst(Guard):
    def _stop_ray(self) -> None:
        self.lease.release()
        super()._stop_ray()

    _steps: ClassVar[dict[phases.Phase, Callable[[Guard], None]]] = {
        **Guard._steps,
        phases.Phase.STOPPING: lambda self: self._stop_ray(),
    }


class RenewsWhatItReleased(Lease):
    def release(self) -> None:
        epoch = self.epoch
        if epoch is None:
            return
        try:
            self._table.release(epoch, self._holder)
        except (Refused, Unknown):
            return
        self.epoch = None
        self._forget()


class CountsFromTheAnswer(Lease):
    def _extend(self, sent: float) -> None:
        super()._extend(self._clock())


class WaitsForNoBeat(Lease):
    def _observe(self, item: LeaseItem | None) -> None:
        since, seen = self._seen_since, self._ever_seen
        super()._observe(item)
        self._seen_since = since if seen else self._seen_since


class SuccessorTakesAtOnce(Lease):
    def _is_free(self, item: LeaseItem | None) -> bool:
        return (item is not None and item.next_holder == self._holder) or super()._is_free(item)


@dataclass(frozen=True)
class Mutation:
    """A mistake, planted in ``parts``."""

    what: str
    parts: Parts


MUTATIONS = [
    Mutation("fence beyond the length", Parts(times=replace(LEASE_TIMES, fence=12.0, kill=13.0))),
    Mutation("kill beyond the length", Parts(times=replace(LEASE_TIMES, kill=13.0))),
    Mutation("take not conditional on the beat", Parts(table=TakesByEpochAlone)),
    Mutation("release before Ray is dead", Parts(guard=ReleasesFirst)),
    Mutation("renewal after a release", Parts(lease=RenewsWhatItReleased)),
    Mutation("time counted from the answer", Parts(lease=CountsFromTheAnswer)),
    Mutation("a beat does not restart the wait", Parts(lease=WaitsForNoBeat)),
    Mutation("a successor takes what is held", Parts(lease=SuccessorTakesAtOnce)),
    Mutation("no deadline in the kernel", Parts(kernel_kills=False)),
]


@pytest.mark.parametrize(
    "mutation",
    [
        pytest.param(one, id=one.what, marks=[] if one in MUTATIONS[:1] else THOROUGH_ONLY)
        for one in MUTATIONS
    ],
)
def test_the_model_finds_a_planted_mistake(mutation: Mutation) -> None:
    class Mutants(Heads):
        parts = mutation.parts

        def recover(self) -> None:
            """Check safety only."""

    with pytest.raises(AssertionError, match="two heads at once"):
        run_state_machine_as_test(
            Mutants,
            settings=settings(STORIES, max_examples=FIND, phases=[Phase.generate]),
        )
