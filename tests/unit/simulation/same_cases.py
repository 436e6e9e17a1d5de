"""Which faults need not be tried, because a fault that was tried comes to the same.

Two things make a case: the state of AWS, and what the deployer knows.

- **AWS's state** follows from the requests that changed it, and how long ago: the simulated cloud
  has no other input (chance is seeded anew in each copy), and a call takes no time in it. So
  whatever befell two deployers, the rest is the same once they have ended, if both had sent the
  same changes at the same times and it is the same moment. Ages are told apart by their size: less
  than 1 s, 4 s, 16 s or 64 s, or more. Of the deploy lock counts whether it is held, and of a
  journal its verdict: nothing else that decides reads them, nor a message to people. So a call that
  only reads leaves the same state when the deployer is killed before it and after it, and "killed
  after" is "killed" at the next call, unless time passes between them.
- **What a deployer does about an answer** follows from the line of its program that asks, from the
  step, and from what it was told. A call that changes something is a new case when there was a
  change before it, or an answer that differed from the one before to the same question; two things
  do not count as news: that a head renewed its lease, and that the deployer keeps its own lock. A
  read is a new case when its line, its step or its question is new: the states of AWS that it may
  find are those in which a deployer is killed.
- **AWS's own failures** and its throttling are one case: botocore tries again after either, and
  nothing in deploy/ tells the two apart (a test says so).

Ages by their size and reads by their lines are choices, not proofs: they leave out what differs by
some seconds in a long wait. ``RAYKILN_THOROUGH=all`` leaves nothing out.
"""

import re
from hashlib import sha256
from typing import Any

from tests.simulation.timeline import Timeline
from tests.unit.simulation.calls import Call, Change
from tests.unit.simulation.faulty_calls import Wire

_BEAT = re.compile(r"'beat': \{'N': '\d+'\}")


class Cases:
    """What was seen of a story so far, and which faults in it were tried."""

    def __init__(self, wire: Wire, clock: Timeline) -> None:
        self._wire, self._clock, self._began = wire, clock, clock.now()
        self._tried: set[object] = set()
        self._answers: dict[object, str] = {}
        self._news = 0
        wire.answered = self._answered

    def is_new(self, call: Call, fault: str) -> bool:
        """Say whether no fault so far came to the same; from now on this one has been tried."""
        case = self._killed(call, fault) or self._told(call, fault)
        is_new = case not in self._tried
        self._tried.add(case)
        return is_new

    def state(self) -> str:
        """Return what tells AWS's state from every other: see above."""
        changes, now = self._wire.changes, self._clock.now()
        requests = [f"{_age(c.at, now)} {c.call.name} {c.request}" for c in _deciding(changes)]
        return sha256(str((requests, _lock_and_verdict(changes))).encode()).hexdigest()

    def _killed(self, call: Call, fault: str) -> object:
        if fault not in ("killed", "killed after"):
            return None
        changes, now = self._wire.changes, self._clock.now()
        if fault == "killed after" and not call.only_reads:
            changes = [*changes, Change(now, call, "not sent yet")]
        deciding = _deciding(changes)
        age = _age(deciding[-1].at if deciding else self._began, now)
        return "killed", len(deciding), age, _lock_and_verdict(changes)

    def _told(self, call: Call, fault: str) -> object:
        kind = "throttled" if fault == "failing" else fault
        news = "a read" if call.only_reads else self._news
        return kind, news, call.step, call.place, _question(call)

    def _answered(self, call: Call, answer: dict[str, Any]) -> None:
        if call.keeps_lock:
            return
        told = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        words, question = _BEAT.sub("", str(told)), (call.place, _question(call))
        known = self._answers.get(question, words)
        if not call.only_reads or known != words:
            self._news += 1
        self._answers[question] = words


def _deciding(changes: list[Change]) -> list[Change]:
    """Return the changes that decide how AWS goes on."""
    return [c for c in changes if not (c.call.of_lock or c.call.of_journal or c.call.only_tells)]


def _lock_and_verdict(changes: list[Change]) -> tuple[bool, str]:
    """Say whether the deploy lock is held, and what the journal says of the rollout."""
    locks = [change.call.operation for change in changes if change.call.of_lock]
    verdicts = [change.verdict for change in changes if change.call.of_journal]
    return bool(locks) and locks[-1] != "DeleteItem", verdicts[-1] if verdicts else ""


def _age(at: float, now: float) -> int:
    """Return 0 for less than a second, 1 for less than 4, 2 for 16, 3 for 64, else 4."""
    return min((int(now - at).bit_length() + 1) // 2, 4)


def _question(call: Call) -> tuple[str, str]:
    """Return what is asked; of the deployer's own lock, always the same."""
    asked = call.arguments["Key"] if call.keeps_lock else call.arguments
    return call.name, str(asked)
