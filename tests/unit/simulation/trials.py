"""A command in copies of this process: in each, one call goes wrong, and it is run again."""

import gc
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
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
class Story:
    """A command, what is run after it went wrong, and what both must have come to.

    That is the same command again, or ``another``, which then follows the command in any case.
    """

    command: Callable[[], object]
    again: Callable[[], object]
    ending: Callable[[], dict[str, object]]
    another: bool = False

    def clean_ending(self) -> dict[str, object]:
        """Return what it comes to once the command has ended without a fault."""
        if self.another:
            self.again()
        return self.ending()


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
    rerun: int = 0
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
        self.done = {(r["fault"], r["case"]) for r in self._written() if "fault" in r}
        gc.freeze()  # the copies need not look at what is there now
        if self.once:
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
        self._compare(self.story.clean_ending())
        assert self.watch.broken == []

    def _note_clean(self) -> None:
        """Write what the story comes to without a fault: AWS's random names differ in each run."""
        failure = failure_in_a_copy(self.cluster.cloud, self._run_story)
        assert not failure, failure

    def _run_story(self) -> None:
        self.story.command()
        self._write({"clean": self.story.clean_ending()})

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
        """Inside a copy, the command has ended: look what it did, and run it again."""
        fault = self.wire.fault
        assert fault is not None
        # From now on there is no fault.
        self.wire.fault = Fault("nothing", NO_CALL, self.cluster.cloud.clock)
        ended = list(self.watch.ended_since)
        state = self.known.state()
        before = self._states()
        ending = None if self.once and state in before else self._run_again(len(before))
        with self._seen.open("a") as file:
            file.write(f"{state}\n")
        result: dict[str, object] = {
            "fault": fault.name,
            "case": self.case,
            "call": fault.call.words,
            "outcome": outcome,
            "state": state,
            "ended": ended,
            "broken": self.watch.broken,
            "ending": ending,
        }
        self._write(result)

    def _run_again(self, number: int) -> dict[str, object]:
        if number % 2:
            self.cluster.cloud.clock.sleep(LATER)
        self.story.again()
        return self.story.ending()

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

    def _compare(self, ending: dict[str, object]) -> None:
        """Hold each copy against what must hold, and against the story's end in the same run."""
        clean = json.loads(json.dumps(ending))
        for result in self._written():
            if "clean" in result:
                clean = result["clean"]
                continue
            where = f"{result['fault']} at {result['call']}"
            if "failure" in result:
                self.failures.append(f"{where}:\n{result['failure']}")
                continue
            self.outcomes[f"{result['fault']}: {result['outcome'].split(':')[0]}"] += 1
            self.failures += [f"{where}: {words}" for words in result["broken"]]
            found = result["ending"] or clean  # none: the same as another's
            self.rerun += result["ending"] is not None
            self.failures += [
                f"{where} ({result['outcome']}): {key} is {found[key]}, not {clean[key]}"
                for key in clean
                if found[key] != clean[key]
            ]
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
