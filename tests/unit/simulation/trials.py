"""A command in copies of this process: in each, one call goes wrong, and it is run again."""

import gc
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

from common.errors import PipelineError, RolledBack
from tests.unit.simulation.calls import NO_CALL, Call
from tests.unit.simulation.conftest import Cluster
from tests.unit.simulation.faulty_calls import FAULTS, Fault, Killed, Wire
from tests.unit.simulation.forks import Copy, failure_in_a_copy, tell
from tests.unit.simulation.same_cases import Cases
from tests.unit.simulation.watch import Watch

LATER = 45.0  # seconds; every other command is run again only then


@dataclass
class Sequel:
    """What is run after a command went wrong, and everything that must then be as without a fault.

    ``comes_to`` has the values themselves.
    """

    act: Callable[[], object]
    ending: Callable[[], dict[str, object]]
    comes_to: dict[str, object] | None = None


@dataclass
class Story:
    """A command, and its sequels by name, each of which is tried after each fault.

    That is the same command again, or ``another``, which then follows the command in any case.
    """

    command: Callable[[], object]
    sequels: dict[str, Sequel]
    another: bool = False

    def clean_ending(self, name: str) -> dict[str, object]:
        """Return what a sequel comes to once the command has ended without a fault."""
        sequel = self.sequels[name]
        if self.another:
            sequel.act()
        return sequel.ending()


def again(act: Callable[[], object], ending: Callable[[], dict[str, object]]) -> dict[str, Sequel]:
    """Return the one sequel of a story."""
    return {"again": Sequel(act, ending)}


@dataclass
class Trials:
    """Has every fault happen at those calls of a story that are chosen, each in a copy.

    With ``once``, what is the same as a case before is not tried again (``same_cases``). What is
    in ``results`` already, since a run before was ended in the middle, is not tried again either.
    Of all that remain, ``part`` (which, of how many) is tried.
    """

    cluster: Cluster
    watch: Watch
    story: Story
    chosen: Callable[[Call, str], bool]  # the call, and the fault by name
    results: Path
    once: bool = False
    part: tuple[int, int] = (1, 1)
    calls: int = 0
    cases: int = 0
    states: int = 0
    failures: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    turns: Counter[str] = field(default_factory=Counter)
    copy: Copy | None = None

    def run(self) -> None:
        """Run the story, and all its copies; ``failures`` says in which it went wrong."""
        cloud = self.cluster.cloud
        self.wire = Wire(cloud.clock, self.watch)
        self.wire.fault_for = self._fault_for
        self.known = Cases(self.wire, cloud.clock)
        before = cloud.clients.calls
        done = (r for r in self._written() if "fault" in r and "sequel" not in r)
        self.done = {(r["fault"], r["case"]) for r in done}
        gc.freeze()  # the copies need not look at what is there now
        alone = len(self.story.sequels) == 1
        if self.once or not alone:
            self._note_clean()
        with self.wire.installed(cloud.clients):
            try:
                outcome = _outcome_of(self.story.command)
            except BaseException:
                if self.copy is None:
                    raise
                os._exit(tell(self.copy, _raiser()))
            if self.copy:
                os._exit(tell(self.copy, lambda: self._go_on(outcome)))
        self.wire.fault_for = lambda call: None
        assert outcome == "done"
        self.calls = self.wire.calls
        assert self.calls == cloud.clients.calls - before, "SERVICES is not all"
        clean = {name: self.story.clean_ending(name) for name in self.story.sequels if alone}
        self._compare(clean)
        assert self.watch.broken == []

    def _note_clean(self) -> None:
        """Write what the story comes to without a fault: AWS's random names differ in each run."""
        failure = failure_in_a_copy(self.cluster.cloud, self._run_story)
        assert not failure, failure

    def _run_story(self) -> None:
        self.story.command()
        for name in self.story.sequels:
            failure = self._in_a_copy(name, self._write_clean)
            assert not failure, failure

    def _write_clean(self, name: str) -> None:
        self._write({"clean": self.story.clean_ending(name), "sequel": name})

    def _in_a_copy(self, name: str, work: Callable[[str], None]) -> str:
        """Do the work for one of several sequels; return how it failed, or nothing."""
        return failure_in_a_copy(self.cluster.cloud, lambda: work(name))

    def _case_of(self, call: Call) -> str:
        """Say which call this is so that it can be found in another run: a poll may look once more
        there, and all numbers after it differ.
        """
        where = f"{call.name} ({call.step}) by {' '.join(call.place)}"
        self.turns[where] += 1
        return f"{where}, {self.turns[where]}"

    def _fault_for(self, call: Call) -> Fault | None:
        self.case = self._case_of(call)
        for name in FAULTS:
            if not self.chosen(call, name):
                continue
            self.cases += 1
            if self.once and not self.known.is_new(call, name):
                continue
            if not self._in_part(name):
                continue
            self.tried[name] += 1
            if (name, self.case) in self.done:
                continue
            copy = Copy(self.cluster.cloud.folder)
            if copy.is_this:
                gc.disable()
                random.seed(1)  # the same state, the same chance
                self.copy = copy
                return Fault(name, call, self.cluster.cloud.clock)
            failure = copy.failure()
            if failure:
                found = {"fault": name, "case": self.case, "call": call.words}
                self._write({**found, "failure": failure})
        return None

    def _in_part(self, fault: str) -> bool:
        """Say whether this part has the case: all parts have all, the same ones in every run."""
        which, of = self.part
        return crc32(f"{fault} {self.case}".encode()) % of == which - 1

    def _go_on(self, outcome: str) -> None:
        """Inside a copy, the command has ended: look what it did, and go on with each sequel."""
        fault = self.wire.fault
        assert fault is not None
        # From now on there is no fault.
        self.wire.fault = Fault("nothing", NO_CALL, self.cluster.cloud.clock)
        result: dict[str, object] = {
            "fault": fault.name,
            "case": self.case,
            "call": fault.call.words,
            "outcome": outcome,
            "state": self.known.state(),
            "ended": list(self.watch.ended_since),
            "broken": list(self.watch.broken),
        }
        before = self._states()
        result["new"] = not self.once or result["state"] not in before
        if result["new"]:
            self._try_sequels(result, len(before))
        with self._seen.open("a") as file:
            file.write(f"{result['state']}\n")
        self._write(result)

    def _try_sequels(self, result: dict[str, object], number: int) -> None:
        """Write what each sequel comes to; every other begins only a while later."""
        for name in self.story.sequels:
            number += 1
            try_it = partial(self._try_sequel, result, later=number % 2 == 0)
            if len(self.story.sequels) == 1:
                try_it(name)
            elif failure := self._in_a_copy(name, try_it):
                self._write({**result, "sequel": name, "failure": failure})

    def _try_sequel(self, result: dict[str, object], name: str, *, later: bool) -> None:
        if later:
            self.cluster.cloud.clock.sleep(LATER)
        sequel = self.story.sequels[name]
        sequel.act()
        ending = sequel.ending()
        self._write({**result, "sequel": name, "ending": ending, "broken": self.watch.broken})

    @property
    def _seen(self) -> Path:
        """The file of the states that copies ended in; each copy reads it."""
        return self.results.with_name("states")

    def _states(self) -> set[str]:
        return set(self._seen.read_text().split()) if self._seen.exists() else set()

    def _write(self, result: dict[str, object]) -> None:
        with self.results.open("a") as file:
            file.write(json.dumps(result) + "\n")

    def _written(self) -> list[dict[str, Any]]:
        lines = self.results.read_text().splitlines() if self.results.exists() else []
        return [json.loads(line) for line in lines]

    def _compare(self, endings: dict[str, dict[str, object]]) -> None:
        """Hold each copy against what must hold, and against the story's end in the same run."""
        clean = json.loads(json.dumps(endings))
        for result in self._written():
            name = result.get("sequel", "")
            if "clean" in result:
                clean[name] = result["clean"]
                continue
            where = " ".join(f"{result['fault']} at {result['call']} {name}".split())
            if "failure" in result:
                self.failures.append(f"{where}:\n{result['failure']}")
                continue
            self.failures += [f"{where}: {words}" for words in result["broken"]]
            if name:
                self._compare_ending(where, result, clean[name])
            else:
                self._compare_outcome(where, result)
        for name, sequel in self.story.sequels.items():
            if sequel.comes_to:
                assert clean[name] == json.loads(json.dumps(sequel.comes_to))

    def _compare_ending(self, where: str, result: dict[str, Any], clean: dict[str, object]) -> None:
        found = result["ending"]
        self.failures += [
            f"{where} ({result['outcome']}): {key} is {found[key]}, not {clean[key]}"
            for key in clean
            if found[key] != clean[key]
        ]

    def _compare_outcome(self, where: str, result: dict[str, Any]) -> None:
        self.outcomes[f"{result['fault']}: {result['outcome'].split(':')[0]}"] += 1
        self.states += result["new"]
        denied = result["fault"] == "denied" and result["outcome"] != "done"
        if denied and result["ended"] and self.watch.serves:
            self.failures.append(f"{where}: {result['outcome']}, after {result['ended']}")


def _outcome_of(command: Callable[[], object]) -> str:
    try:
        command()
    except Killed:
        return "killed"
    except RolledBack as error:
        return f"rolled back: {error.message}"
    except PipelineError as error:
        return f"stopped: {error.message}"
    return "done"


def _raiser() -> Callable[[], None]:
    """Return what raises the exception that is being handled."""

    def again() -> None:
        raise

    return again
