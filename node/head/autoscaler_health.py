"""Whether Ray's autoscaler works on this head, and what it could not launch. No AWS.

The autoscaler completes a round every five seconds, and each completed one moves a counter in the
GCS. A YAML that it refuses, a call to AWS that fails each time or a process that is gone leave the
counter where it is, while the rest of Ray is healthy. So a counter that stood still means that the
autoscaler does not work; no process and no log is looked at. What that process has in memory may be
the cause: one that began while the metadata service was away never gets credentials
(botocore/session.py, create_client). So it is restarted, again and again while it does not work.
"""

from collections.abc import Callable

from node.head.background_calls import BackgroundCalls, RepeatedCall
from node.head.phases import AutoscalerStatus, Limits
from node.head.ray_head import RayHead
from node.ray.launches import RefusedLaunches

Clock = Callable[[], float]


class AutoscalerHealth:
    """The autoscaler of a Ray that has come up; ``step`` while it runs."""

    def __init__(
        self, ray: RayHead, calls: BackgroundCalls, limits: Limits, *, clock: Clock
    ) -> None:
        self._ray, self._limits, self._clock = ray, limits, clock
        self._question = RepeatedCall(
            calls, "round", self._ask, clock=clock, interval=limits.round_check_interval
        )
        self.working: bool | None = None  # None: no round yet, and too early for a verdict
        self._answers = Answers(0.0)
        self._restarts = 0  # since the newest round

    def begin(self) -> None:
        """Ray has come up: its GCS is new and knows of no round."""
        self.working, self._answers, self._restarts = None, Answers(self._clock()), 0

    def step(self) -> bool:
        """Ask, and restart it, when that is due; return whether ``working`` has changed."""
        self._question.step()
        before, since = self.working, self._answers.since_round(self._clock())
        if since > self._limits.round_timeout:
            self.working = False
            self._restart(since - self._limits.round_timeout)
        elif self._answers.rounds:
            self.working, self._restarts = True, 0
        return self.working is not before

    def _restart(self, late: float) -> None:
        if late > self._restarts * self._limits.autoscaler_restart_interval:
            self._restarts += 1
            self._ray.restart_autoscaler()

    def status(self) -> AutoscalerStatus:
        """Return what is known now; any thread may ask."""
        answers = self._answers
        since = round(answers.since_round(self._clock()), 1)
        return AutoscalerStatus(self.working, answers.rounds, since, answers.refused)

    def _ask(self) -> None:
        """Ask this Ray; made in the background, where it may last until there is another."""
        answers = self._answers
        answers.refuse(self._ray.refused_launches(), self._clock())
        answers.add(self._ray.autoscaler_round(), self._clock())


class Answers:
    """What one run of Ray has answered."""

    def __init__(self, began: float) -> None:
        self._began = self._round_at = began
        self._newest = self.rounds = 0
        self.refused: RefusedLaunches = {}

    def add(self, newest: int, now: float) -> None:
        """Take the counter's value; any other than the last one is a new round."""
        if newest != self._newest:
            self._newest, self._round_at = newest, now
            self.rounds += 1

    def refuse(self, refused: RefusedLaunches, now: float) -> None:
        """Take what EC2 refused; what is older than this Ray was another head's to report."""
        age = now - self._began
        self.refused = {group: one for group, one in refused.items() if one.seconds_ago <= age}

    def since_round(self, now: float) -> float:
        """Return the seconds since the newest round, or since Ray came up."""
        return now - self._round_at
