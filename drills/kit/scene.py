"""Where a drill takes place: the cluster as it was, the hands that break it, what was broken.

Touches AWS. What is broken for longer than a moment is put right when the scene ends, however it
ends; what an instance still has to forget lies in ``MARKS`` there until then.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from common.clients import Clients, translated
from common.environment import Environment
from common.errors import PipelineError, TimedOut
from common.progress import Progress
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.ray_api import RayApi
from deploy.cluster.run_command import CommandResult, run_command
from deploy.cluster.state import Lease, find_instances, find_lease
from drills.kit.phases import Before
from drills.kit.witness import Witness

# What is broken on an instance and has to be put right there: a file each.
MARKS = "/run/raykiln-drill"


class DrillFailed(PipelineError):
    """The cluster did not do what it must."""


@dataclass
class Scene:
    """One run of a drill on one cluster."""

    environment: Environment
    clients: Clients
    clock: Clock
    api: RayApi
    before: Before
    witness: Witness
    progress: Progress
    name: str = ""
    began: float | None = None
    broken: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    undo: ExitStack = field(default_factory=ExitStack)

    @property
    def leader(self) -> str:
        """The head that led when it was whole."""
        return self.before.leader

    @property
    def workers(self) -> list[str]:
        """The workers that were there when it was whole."""
        return sorted(self.before.workers)

    def address(self, instance_id: str) -> str:
        """Return the address of an instance that was there when it was whole."""
        found = find_instances(self.clients, self.environment.name)
        return next(instance.address for instance in found if instance.id == instance_id)

    def lease(self) -> Lease:
        """Return the head lease; raises DrillFailed when there is none."""
        found = find_lease(self.clients, self.environment)
        if found is None:
            raise DrillFailed("there is no head lease")
        return found

    def is_back(self, but: str = "") -> bool:
        """Say whether Ray was last seen with a head at another address, and all workers."""
        return self.witness.seen.nodes[-1].is_whole(len(self.before.nodes), frozenset({but}))

    def breaks(self, words: str, at: float | None = None) -> None:
        """Note what is broken, and when: the first time is what the phases count from."""
        self.began = self.began or at or time.time()
        self.broken.append(words)
        self.progress.say(words)

    def on(self, instance_id: str, script: str, seconds: float = 60) -> CommandResult:
        """Run a shell script as root on an instance; raises DrillFailed when it fails."""
        ran = run_command(self.clients, instance_id, script, clock=self.clock, seconds=seconds)
        if not ran.succeeded:
            said = (ran.stdout + ran.stderr).strip()[-500:]
            raise DrillFailed(f"on {instance_id}: {script!r} ended with {ran.exit_code}: {said}")
        return ran

    def break_on(self, instance_id: str, words: str, script: str, undo: str = "") -> None:
        """Break something on an instance, and put it right with ``undo`` at the end.

        The moment is the instance's own clock, read right before.
        """
        mark = f"{MARKS}/{self.name}"
        keep = f"mkdir -p {MARKS} && touch {mark} && " if undo else ""
        if undo:
            self.undo.callback(self._put_right, instance_id, f"{undo}\nrm -f {mark}")
        ran = self.on(instance_id, f"set -e; {keep}date +%s.%N; {script}")
        self.breaks(f"{words} on {instance_id}", float(ran.stdout.split()[0]))

    def kill(self, instance_id: str, *names: str, signal: str = "KILL") -> None:
        """Send processes of an instance a signal, all at once; ``names`` are the kernel's."""
        pids = " ".join(f"$(pgrep -x {name})" for name in names)
        words = f"SIG{signal} to {', '.join(names)}"
        undo = f"kill -CONT {pids} 2>/dev/null || true" if signal == "STOP" else ""
        self.break_on(instance_id, words, f"kill -{signal} {pids}", undo)

    def kill_unit(self, instance_id: str, unit: str, signal: str = "KILL") -> None:
        """Send the main process of a unit a signal."""
        words = f"SIG{signal} to the main process of {unit}"
        script = f'kill -{signal} "$(systemctl show --value -p MainPID {unit})"'
        self.break_on(instance_id, words, script)

    def terminate(self, *instance_ids: str) -> None:
        """Have EC2 terminate instances."""
        self.breaks(f"EC2 terminates {', '.join(instance_ids)}")
        with translated(f"terminating {', '.join(instance_ids)}"):
            self.clients("ec2").terminate_instances(InstanceIds=list(instance_ids))

    def wait(
        self,
        what: str,
        is_so: Callable[[], bool],
        seconds: float = 180,
        words: Callable[[], str] = lambda: "not yet",
    ) -> float:
        """Wait for something; return after how many seconds. Raises DrillFailed with ``words``."""
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
            raise DrillFailed(error.message) from error
        return self.clock.now() - start

    def expect(self, is_so: bool, words: str) -> None:
        """Raise DrillFailed with these words unless it is so."""
        if not is_so:
            raise DrillFailed(words)

    def _put_right(self, instance_id: str, script: str) -> None:
        """Undo something on an instance; one that has gone has taken it along."""
        try:
            self.on(instance_id, script)
        except PipelineError as error:
            self.progress.say(f"{instance_id}: {error.message}")
