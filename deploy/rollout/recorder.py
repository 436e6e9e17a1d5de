"""Record a rollout: write its journal and announce it while it runs. Touches AWS (S3, SNS)."""

from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError
from common.progress import Progress
from common.waiting import Clock
from deploy.foundation.stack import find_foundation
from deploy.plan.steps import ChangeFoundation, Plan, Step
from deploy.release.rollout_journal import Entry, RolloutStatus, begin_journal, write_journal
from deploy.rollout.notices import announce


class Recorder:
    """Fits common.progress.Progress: passes on what the steps tell, and records each."""

    def __init__(
        self,
        plan: Plan,
        kind: str,
        environment: Environment,
        clients: Clients,
        *,
        clock: Clock,
        progress: Progress,
    ) -> None:
        self._plan, self._environment, self._clients = plan, environment, clients
        self._clock, self._progress = clock, progress
        self._steps: tuple[Step, ...] = plan.steps
        self._finished = 0
        self._began = 0.0
        self._topic = ""
        self.journal = begin_journal(
            environment.name,
            kind,
            from_release=plan.previous.id if plan.previous else "",
            to_release=plan.release,
            plan=plan.words,
            now=clock.now(),
        )

    def open(self) -> None:
        """Record that the rollout begins."""
        self._write(required=True)
        self._announce("begins", self._plan.words)

    def begin(self, title: str) -> None:
        """A step begins."""
        self._began = self._clock.now()
        self._progress.begin(title)

    def say(self, words: str) -> None:
        """What the step sees now."""
        self._progress.say(words)

    def end(self, outcome: str) -> None:
        """The step is done."""
        self._progress.end(outcome)
        self._note(outcome)

    def failed(self, error: PipelineError) -> None:
        """The current step failed."""
        if self._finished < len(self._steps):
            self._note(f"failed: {error.message}")

    def rolls_back(self, plan: Plan) -> None:
        """From now on the steps are those of the rollback."""
        self._steps, self._finished = plan.steps, 0

    def close(self, verdict: RolloutStatus, reason: str = "") -> None:
        """Record how the rollout ended."""
        now = self._clock.now()
        self.journal = self.journal.closed(verdict, now, reason)
        self._write()
        words = f"{verdict} after {now - self.journal.began:.0f} s"
        self._announce(words, tuple(filter(None, (reason, *self._plan.words))))

    def _note(self, outcome: str) -> None:
        now = self._clock.now()
        step = self._steps[self._finished]
        self._finished += 1
        entry = Entry(step.what, step.kind, self._began, now - self._began, outcome)
        self.journal = self.journal.noted(entry)
        self._write(required=isinstance(step, ChangeFoundation))

    def _write(self, *, required: bool = False) -> None:
        """Store the journal; unless ``required``, a rollout goes on if that fails."""
        try:
            write_journal(self._clients, self._environment.bucket, self.journal)
        except PipelineError as error:
            if required:
                raise
            self.say(error.message)

    def _announce(self, what: str, lines: tuple[str, ...]) -> None:
        if not self._topic:
            found = find_foundation(self._clients, self._environment)
            self._topic = found.topic_arn if found else ""
        if self._topic:
            name = self._environment.name
            subject = f"{name}: {self.journal.kind} of {self._plan.release} {what}"
            if trouble := announce(self._clients, self._topic, subject, lines):
                self.say(trouble)
