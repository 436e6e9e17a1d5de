"""The cluster under test: its initial state, the means to inject faults, the faults so far.

Touches AWS. A fault that lasts is repaired when the run ends, in every case. While an instance
still has a fault to repair, a file in ``MARKERS`` on that instance says so.
"""

import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, field

from common.clients import Clients, translated
from common.environment import Environment
from common.errors import PipelineError, TimedOut
from common.progress import Progress
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.instances import find_instances
from deploy.cluster.ray_api import RayApi
from deploy.cluster.resolved import resolve_on
from deploy.cluster.run_command import CommandResult, run_command
from deploy.cluster.state import Lease, find_lease
from drills.kit.observer import Observer
from drills.kit.phases import InitialState
from node.contract import SPOT

# A file for each fault on an instance that is not repaired yet.
MARKERS = "/run/raykiln-drill"
# Looks again until the processes run and all of them got the signal; prints when.
SIGNAL = """timeout 45 sh -c '
until pids=$({look}) && at=$(date +%s.%N) && kill -{signal} $pids; do sleep 0.1; done; echo $at'"""


class DrillFailed(PipelineError):
    """The cluster did not do what it must, or the drill could not inject its fault."""


@dataclass
class ClusterUnderTest:
    """One run of a drill on one cluster."""

    environment: Environment
    clients: Clients
    clock: Clock
    api: RayApi
    initial: InitialState
    observer: Observer
    progress: Progress
    name: str = ""
    fault_at: float | None = None
    faults: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    cleanup: ExitStack = field(default_factory=ExitStack)

    @property
    def leader(self) -> str:
        """The instance id of the initial leader."""
        return self.initial.leader

    @property
    def workers(self) -> list[str]:
        """The instance ids of the initial workers."""
        return sorted(self.initial.workers)

    def spot_worker(self, groups: Collection[str]) -> str:
        """Return an initial worker of these groups that is a spot instance; raises DrillFailed."""
        for found in find_instances(self.clients, self.environment.name):
            if found.id in self.workers and found.market == SPOT and found.group in groups:
                return found.id
        raise DrillFailed(
            "no worker is a spot instance that such notices reach",
            hint='deploy a group with market = "spot" and min = 1 or more',
        )

    def address(self, instance_id: str) -> str:
        """Return an instance's address; raises DrillFailed when EC2 does not know it."""
        for instance in find_instances(self.clients, self.environment.name):
            if instance.id == instance_id:
                return instance.address
        raise DrillFailed(f"{instance_id} does not exist", hint="run the drill again")

    def lease(self) -> Lease:
        """Return the head lease; raises DrillFailed when there is none."""
        found = find_lease(self.clients, self.environment)
        if found is None:
            raise DrillFailed(
                "there is no head lease", hint=f"invoke status --env {self.environment.name}"
            )
        return found

    def is_back(self, excluded: str = "") -> bool:
        """Return whether Ray was last seen with a head at another address, and all workers."""
        last = self.observer.observations.nodes[-1]
        return last.is_complete(len(self.initial.nodes), frozenset({excluded}))

    def record_fault(self, words: str, at: float | None = None) -> None:
        """Record a fault. Phases count from the first one; ``at`` is in seconds since the epoch."""
        self.fault_at = self.fault_at or at or time.time()
        self.faults.append(words)
        self.progress.say(words)

    def on(self, instance_id: str, script: str, seconds: float = 60) -> CommandResult:
        """Run a shell script as root on an instance; raises DrillFailed when it fails."""
        ran = run_command(self.clients, instance_id, script, clock=self.clock, seconds=seconds)
        if not ran.succeeded:
            output = (ran.stdout + ran.stderr).strip()[-500:]
            raise DrillFailed(
                f"on {instance_id}: {script!r} exited with {ran.exit_code}: {output}",
                hint=f"invoke head.shell --env {self.environment.name} --id {instance_id}",
            )
        return ran

    def resolve(self, name: str) -> frozenset[str]:
        """Return the addresses that the VPC's resolver gives for a name, asked on the leader."""
        return resolve_on(self.clients, self.leader, name, clock=self.clock)[name]

    def inject(self, instance_id: str, words: str, script: str, undo: str = "") -> None:
        """Inject a fault on an instance with a script, and repair it with ``undo`` at the end.

        The time of the fault is the instance's clock, read just before.
        """
        self._inject(instance_id, words, f"date +%s.%N; {script}", undo)

    def _inject(self, instance_id: str, words: str, script: str, undo: str) -> None:
        """Inject a fault with a script whose first words are when."""
        marker = f"{MARKERS}/{self.name}"
        mark = f"mkdir -p {MARKERS} && touch {marker} && " if undo else ""
        if undo:
            self.cleanup.callback(self._repair, instance_id, f"{undo}\nrm -f {marker}")
        ran = self.on(instance_id, f"set -e; {mark}{script}")
        self.record_fault(f"{words} on {instance_id}", float(ran.stdout.split()[0]))

    def kill(self, instance_id: str, *names: str, signal: str = "KILL") -> None:
        """Send processes of an instance a signal, all at once; ``names`` are the kernel's.

        Waits until they run: a worker's raylet is started again when its head is lost.
        """
        looks = [f"pgrep -x {name}" for name in names]
        script = SIGNAL.format(look=" && ".join(looks), signal=signal)
        undo = f"kill -CONT $({'; '.join(looks)}) 2>/dev/null || true" if signal == "STOP" else ""
        self._inject(instance_id, f"SIG{signal} to {', '.join(names)}", script, undo)

    def kill_unit(self, instance_id: str, unit: str, signal: str = "KILL") -> None:
        """Send the main process of a unit a signal."""
        words = f"SIG{signal} to the main process of {unit}"
        script = f'kill -{signal} "$(systemctl show --value -p MainPID {unit})"'
        self.inject(instance_id, words, script)

    def terminate(self, *instance_ids: str) -> None:
        """Terminate instances."""
        self.record_fault(f"EC2 terminates {', '.join(instance_ids)}")
        with translated(f"terminating {', '.join(instance_ids)}"):
            self.clients("ec2").terminate_instances(InstanceIds=list(instance_ids))

    def wait(
        self,
        what: str,
        is_so: Callable[[], bool],
        seconds: float = 180,
        words: Callable[[], str] = lambda: "not yet",
    ) -> float:
        """Wait until ``is_so``; return the seconds that it took. Raises DrillFailed."""
        start = self.clock.now()
        try:
            wait_for(
                what,
                lambda: Seen(True if is_so() else None, words()),
                clock=self.clock,
                seconds=seconds,
                every=0.5,
                progress=lambda seen: self.progress.say(f"{what}: {seen}"),
            )
        except TimedOut as error:
            raise DrillFailed(error.message, hint=error.hint) from error
        return self.clock.now() - start

    def expect(self, is_so: bool, words: str) -> None:
        """Raise DrillFailed with these words unless ``is_so``."""
        if not is_so:
            raise DrillFailed(words, hint=f"invoke status --env {self.environment.name}")

    def _repair(self, instance_id: str, script: str) -> None:
        """Repair a fault on an instance; a terminated instance needs no repair."""
        try:
            self.on(instance_id, script)
        except PipelineError as error:
            self.progress.say(f"{instance_id}: {error.message}")
