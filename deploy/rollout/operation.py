"""Carry a prepared rollout out: locked, written down, announced, and undone when it fails.

Touches AWS through what it calls. A rollout after which the cluster is not what it should be is
followed by one back to the release before it; after any other failure, as of AWS itself, it stops
where it is, and the same command goes on from there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError, Refused, RolledBack, TimedOut, Unhealthy
from common.progress import Progress
from common.waiting import Clock
from deploy.foundation.stack import find_foundation
from deploy.plan.steps import ChangeFoundation, Plan, Step
from deploy.release.release import Release
from deploy.release.rollout_journal import (
    Entry,
    Journal,
    RolloutStatus,
    begin_journal,
    write_journal,
)
from deploy.rollout.lock import deploy_lock
from deploy.rollout.notices import announce
from deploy.rollout.prepare import Prepared

# Looks at everything anew and plans the way to a release, or to the one that is asked for.
Prepare = Callable[[Clock, Release | None], Prepared]


@dataclass
class Operation:
    """One deploy or rollback of an environment.

    ``stop_or_undo`` is asked when a person interrupts: True goes back to the release before.
    ``agree`` is shown the plan made under the lock when that is not the one shown before. Nobody
    keeps the lock meanwhile, so both must answer well before it lapses. ``journal`` is what was
    done so far, however it ends; None before anything was begun.
    """

    environment: Environment
    clients: Clients
    clock: Clock
    prepare: Prepare
    progress: Progress
    kind: str = "deploy"
    stop_or_undo: Callable[[], bool] = lambda: False
    agree: Callable[[Prepared], bool] = lambda prepared: False
    journal: Journal | None = field(default=None, init=False)

    def run(self, shown: Prepared, *, break_lock: bool = False) -> Journal:
        """Carry out what was shown, if it is still what is to be done; return what was done.

        Raises Refused when another deployer is at work or the plan is another by now, RolledBack
        when it failed and the release before serves again, PipelineError when it stopped.
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
                    "what is there has changed since the plan was shown",
                    hint="look at the new plan: run the command again",
                )
            book = _Book(self, plan)
            book.open()
            try:
                prepared.rollout.run(book)
            except (Unhealthy, TimedOut) as error:
                book.failed(error)
                self._undo(book, plan, clock, error)
            except KeyboardInterrupt:
                book.failed(PipelineError("interrupted"))
                if not (plan.previous and self.stop_or_undo()):
                    book.close("failed", "interrupted")
                    raise
                self._undo(book, plan, clock, PipelineError("interrupted"))
            except PipelineError as error:
                book.failed(error)
                book.close("failed", error.message)
                raise
            return book.close("done")

    def _undo(self, book: "_Book", plan: Plan, clock: Clock, error: PipelineError) -> None:
        """Go back to the release before; raises RolledBack, or PipelineError when that fails."""
        if plan.previous is None or plan.previous.id == plan.release:
            book.close("failed", error.message)
            raise error
        back = plan.previous
        self.progress.say(f"going back to release {back.id}")
        try:
            prepared = self.prepare(clock, back)
            book.goes_back(prepared.rollout.plan)
            prepared.rollout.run(book)
        except PipelineError as second:
            book.failed(second)
            book.close("failed", f"{error.message}\nand going back failed: {second.message}")
            raise PipelineError(
                f"{error.message}\nGoing back to {back.id} failed as well: {second.message}",
                hint="docs/runbooks/stuck-deploy.md",
            ) from error
        book.close("rolled back", error.message)
        raise RolledBack(
            f"{error.message}\nThe cluster serves release {back.id} again, as before.",
            hint=error.hint,
        ) from error


class _Book:
    """Writes the journal and announces, while it passes on what the steps tell."""

    def __init__(self, operation: Operation, plan: Plan) -> None:
        self._operation, self._plan = operation, plan
        self._steps: tuple[Step, ...] = plan.steps
        self._taken = 0
        self._began = 0.0
        self._topic = ""
        self.journal = begin_journal(
            operation.environment.name,
            operation.kind,
            from_release=plan.previous.id if plan.previous else "",
            to_release=plan.release,
            plan=plan.words,
            now=operation.clock.now(),
        )

    def open(self) -> None:
        """Write that the rollout begins, and announce it."""
        self._write(required=True)
        self._announce("begins", self._plan.words)

    def begin(self, title: str) -> None:
        """A step begins."""
        self._began = self._operation.clock.now()
        self._operation.progress.begin(title)

    def say(self, words: str) -> None:
        """What the step sees now."""
        self._operation.progress.say(words)

    def end(self, outcome: str) -> None:
        """The step is done."""
        self._operation.progress.end(outcome)
        self._note(outcome)

    def failed(self, error: PipelineError) -> None:
        """The step under way failed."""
        if self._taken < len(self._steps):
            self._note(f"failed: {error.message}")

    def goes_back(self, plan: Plan) -> None:
        """From now on the steps are those of going back."""
        self._steps, self._taken = plan.steps, 0

    def close(self, verdict: RolloutStatus, reason: str = "") -> Journal:
        """Write how it ended, and announce it."""
        now = self._operation.clock.now()
        self.journal = self.journal.closed(verdict, now, reason)
        self._write()
        words = f"{verdict} after {now - self.journal.began:.0f} s"
        self._announce(words, tuple(filter(None, (reason, *self._plan.words))))
        return self.journal

    def _note(self, outcome: str) -> None:
        now = self._operation.clock.now()
        step = self._steps[self._taken]
        self._taken += 1
        entry = Entry(step.what, step.kind, self._began, now - self._began, outcome)
        self.journal = self.journal.noted(entry)
        self._write(required=isinstance(step, ChangeFoundation))

    def _write(self, *, required: bool = False) -> None:
        """Store the journal; once begun, a cluster is worth more than its journal."""
        self._operation.journal = self.journal
        try:
            write_journal(self._operation.clients, self._operation.environment.bucket, self.journal)
        except PipelineError as error:
            if required:
                raise
            self.say(error.message)

    def _announce(self, what: str, lines: tuple[str, ...]) -> None:
        environment, clients = self._operation.environment, self._operation.clients
        if not self._topic:
            found = find_foundation(clients, environment)
            self._topic = found.topic_arn if found else ""
        if self._topic:
            subject = f"{environment.name}: {self.journal.kind} of {self._plan.release} {what}"
            if trouble := announce(clients, self._topic, subject, lines):
                self.say(trouble)
