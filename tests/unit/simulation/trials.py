"""A command in copies of this process: in each, one call goes wrong, and it is run again."""

import gc
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from deploy.clients import Clients
from deploy.errors import PipelineError, RolledBack
from deploy.state import find_lease
from localcloud.simulation.node_aws import client as unseen_client
from tests.unit.simulation.conftest import Cluster
from tests.unit.simulation.faulty_calls import FAULTS, NO_CALL, Call, Fault, Killed, Wire
from tests.unit.simulation.forks import Copy, tell

LATER = 45.0  # seconds; every other command is run again only then


@dataclass
class Watch:
    """Sees to what must hold at every moment; ``broken`` says what did not.

    ``floor`` is how many workers must be alive, ``serves`` that the cluster did at the start.
    """

    cluster: Cluster
    floor: int
    serves: bool
    keeps: frozenset[str] = frozenset()
    broken: list[str] = field(default_factory=list)
    ended_since: list[str] = field(default_factory=list)
    verified: int = 0  # the epoch of the lease at the last verification
    title: str = ""
    _life: object = None
    _since: float = 0.0

    def __post_init__(self) -> None:
        self._since = self.cluster.cloud.clock.now()
        if self.serves:
            self.cluster.cloud.clock.every(0.5, self._look)

    def begin(self, title: str) -> None:
        """See deploy.progress.Progress."""
        self.title = title

    def say(self, words: str) -> None:
        """See deploy.progress.Progress."""

    def end(self, outcome: str) -> None:
        """See deploy.progress.Progress."""
        if self.title.startswith("verify the cluster"):
            lease = self._lease()
            self.verified = lease.epoch if lease else 0

    def sends(self, call: Call, *, faulty: bool) -> None:
        """A call is about to be sent."""
        if faulty and call.ends_something:
            self.ended_since.append(call.name)
        if call.operation == "TerminateInstanceInAutoScalingGroup":
            self._head_ends(call.arguments["InstanceId"])

    def _head_ends(self, instance_id: str) -> None:
        """A head ends only when another leads, and in service only after a verification."""
        lease = self._lease()
        if lease is None or lease.released or lease.holder == instance_id:
            self.broken.append(f"{instance_id} is ended while it leads, or nobody does")
        elif self._in_service(instance_id) and lease.epoch != self.verified:
            self.broken.append(f"{instance_id} is ended before {lease.holder} was verified")

    def _in_service(self, instance_id: str) -> bool:
        found = unseen_client("autoscaling").describe_auto_scaling_instances(
            InstanceIds=[instance_id]
        )
        return any(i["LifecycleState"] == "InService" for i in found["AutoScalingInstances"])

    def _lease(self) -> Any:
        return find_lease(cast(Clients, unseen_client), self.cluster.environment)

    def _look(self) -> None:
        cluster, now = self.cluster, self.cluster.cloud.clock.now()
        life = cluster.cloud.rays.running(cluster.name)
        if life is not self._life:
            self._life, self._since = life, now
        if life is None:
            self._expect(now - self._since < 15, "no head has run Ray for 15 s")
        elif now - self._since > 60:
            alive = cluster.cloud.rays.worker_count(cluster.name)
            self._expect(alive >= self.floor, f"only {alive} workers are alive")
        there = cluster.worker_ids
        self._expect(len(there) >= self.floor, f"only {len(there)} workers are there")
        self._expect(there >= self.keeps, "a worker was ended for nothing")

    def _expect(self, holds: bool, words: str) -> None:
        if not holds and words not in self.broken:
            self.broken.append(words)


@dataclass
class Story:
    """A command, what it is when it is run again, and what it must have come to."""

    command: Callable[[], object]
    again: Callable[[], object]
    ending: Callable[[], dict[str, object]]


@dataclass
class Trials:
    """Has every fault happen at those calls of a story that are chosen, each in a copy."""

    cluster: Cluster
    watch: Watch
    story: Story
    chosen: Callable[[Call, str], bool]  # the call, and the fault by name
    results: Path
    failures: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    copy: Copy | None = None

    def run(self) -> None:
        """Run the story, and all its copies; ``failures`` says in which it went wrong."""
        cloud = self.cluster.cloud
        self.wire = Wire(cloud.clock, self.watch)
        self.wire.fault_for = self._fault_for
        before = cloud.clients.calls
        gc.freeze()  # the copies need not look at what is there now
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
        assert self.wire.calls == cloud.clients.calls - before, "SERVICES is not all"
        self._compare(self.story.ending())
        assert self.watch.broken == []

    def _fault_for(self, call: Call) -> Fault | None:
        for name in FAULTS:
            if not self.chosen(call, name):
                continue
            copy = Copy(self.cluster.cloud.folder)
            if copy.is_this:
                gc.disable()
                self.copy = copy
                return Fault(name, call, self.cluster.cloud.clock)
            failure = copy.failure()
            self.tried[name] += 1
            if failure:
                self.failures.append(f"{name} at {call.words}:\n{failure}")
        return None

    def _go_on(self, outcome: str) -> None:
        """Inside a copy, the command has ended: look what it did, and run it again."""
        fault = self.wire.fault
        assert fault is not None
        # From now on nothing is at fault.
        self.wire.fault = Fault("nothing", NO_CALL, self.cluster.cloud.clock)
        ended = list(self.watch.ended_since)
        if fault.call.number % 2:
            self.cluster.cloud.clock.sleep(LATER)
        self.story.again()
        result = {
            "fault": fault.name,
            "call": fault.call.words,
            "outcome": outcome,
            "ended": ended,
            "broken": self.watch.broken,
            "ending": self.story.ending(),
        }
        with self.results.open("a") as file:
            file.write(json.dumps(result) + "\n")

    def _compare(self, ending: dict[str, object]) -> None:
        """Hold each copy against what must hold, and against the story's own end."""
        clean = json.loads(json.dumps(ending))
        lines = self.results.read_text().splitlines() if self.results.exists() else []
        for result in map(json.loads, lines):
            where = f"{result['fault']} at {result['call']}"
            self.outcomes[f"{result['fault']}: {result['outcome'].split(':')[0]}"] += 1
            self.failures += [f"{where}: {words}" for words in result["broken"]]
            found = result["ending"]
            self.failures += [
                f"{where} ({result['outcome']}): {key} is {found[key]}, not {clean[key]}"
                for key in clean
                if found[key] != clean[key]
            ]
            if result["fault"] == "denied" and result["outcome"] != "done" and result["ended"]:
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
