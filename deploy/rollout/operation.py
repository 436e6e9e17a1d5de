"""Carry a prepared rollout out: locked, recorded, and rolled back when it fails.

Touches AWS through what it calls. A rollout after which the cluster is unhealthy is followed by one
to the previous release; after any other failure, as of AWS itself, it stops where it is, and the
same command, run again, goes on from there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused, RolledBack, TimedOut, Unhealthy
from common.progress import Progress
from common.waiting import Clock
from deploy.plan.steps import Plan
from deploy.release.release import Release
from deploy.release.rollout_journal import Journal
from deploy.rollout.lock import deploy_lock
from deploy.rollout.prepare import Prepared
from deploy.rollout.recorder import Recorder

# Reads everything again and plans the way to a release, or to the one the environment asks for.
Prepare = Callable[[Clock, Release | None], Prepared]


@dataclass
class Operation:
    """One deploy or rollback of an environment.

    ``stop_or_undo`` is asked when a person interrupts: True rolls back to the previous release.
    ``agree`` is shown the plan made under the lock if it is not the one shown before. The lock is
    not renewed while they are asked, so both must answer well before it lapses.
    """

    environment: Environment
    clients: Clients
    clock: Clock
    prepare: Prepare
    progress: Progress
    kind: str = "deploy"
    stop_or_undo: Callable[[], bool] = lambda: False
    agree: Callable[[Prepared], bool] = lambda prepared: False
    _recorder: Recorder | None = field(default=None, init=False)

    @property
    def journal(self) -> Journal | None:
        """What was done so far, however it ends; None before anything was begun."""
        return self._recorder.journal if self._recorder else None

    def run(self, shown: Prepared, *, break_lock: bool = False) -> Journal:
        """Carry out what was shown, if that is still the plan; return what was done.

        Raises Refused if another deployer holds the lock or the plan is another by now, RolledBack
        if it failed and the previous release serves again, PipelineError if it stopped.
        """
        release = shown.rollout.desired.release
        with deploy_lock(
            self.clients,
            self.environment,
            f"{self.kind} of {release.id}",
            clock=self.clock,
            progress=self.progress.say,
            break_it=break_lock,
        ) as clock:
            prepared = self.prepare(clock, release)
            plan = prepared.rollout.plan
            if plan.words != shown.rollout.plan.words and not self.agree(prepared):
                raise Refused(
                    "the cluster has changed since the plan was shown",
                    hint="run the command again to see the new plan",
                )
            recorder = self._recorder = self._record(plan)
            recorder.open()
            self._carry_out(prepared, recorder, clock)
            recorder.close("done")
            return recorder.journal

    def _record(self, plan: Plan) -> Recorder:
        return Recorder(
            plan,
            self.kind,
            self.environment,
            self.clients,
            clock=self.clock,
            progress=self.progress,
        )

    def _carry_out(self, prepared: Prepared, recorder: Recorder, clock: Clock) -> None:
        """Run the rollout; if it fails, roll back or stop, and raise."""
        plan = prepared.rollout.plan
        try:
            prepared.rollout.run(recorder)
        except (Unhealthy, TimedOut) as error:
            recorder.failed(error)
            self._roll_back(recorder, plan, clock, error)
        except KeyboardInterrupt:
            recorder.failed(PipelineError("interrupted"))
            if not (plan.previous and self.stop_or_undo()):
                recorder.close("failed", "interrupted")
                raise
            self._roll_back(recorder, plan, clock, PipelineError("interrupted"))
        except PipelineError as error:
            recorder.failed(error)
            recorder.close("failed", error.message)
            raise

    def _roll_back(
        self, recorder: Recorder, plan: Plan, clock: Clock, error: PipelineError
    ) -> None:
        """Roll back to the previous release; raises RolledBack, or PipelineError if that fails."""
        if plan.previous is None or plan.previous.id == plan.release:
            recorder.close("failed", error.message)
            raise error
        previous = plan.previous
        self.progress.say(f"rolling back to release {previous.id}")
        try:
            prepared = self.prepare(clock, previous)
            recorder.rolls_back(prepared.rollout.plan)
            prepared.rollout.run(recorder)
        except PipelineError as second:
            recorder.failed(second)
            reason = f"{error.message}\nand the rollback failed: {second.message}"
            recorder.close("failed", reason)
            raise PipelineError(
                f"{error.message}\nThe rollback to {previous.id} failed as well: {second.message}",
                hint="docs/runbooks/stuck-deploy.md",
            ) from error
        recorder.close("rolled back", error.message)
        raise RolledBack(
            f"{error.message}\nThe cluster serves release {previous.id} again, as before.",
            hint=error.hint,
        ) from error
