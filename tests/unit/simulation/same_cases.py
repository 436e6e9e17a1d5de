"""Which faults need not be tried, because a fault that was tried comes to the same.

Two things make a case: the state of AWS, and what the deployer knows.

- **AWS's state** follows from the requests that changed it, and when: the simulated cloud has no
  other input (chance is seeded anew in each copy), and a call takes no time in it. So whatever
  befell two deployers, the rest is the same once they have ended, if both had sent the same changes
  at the same times and it is the same moment. In particular a call that only reads leaves the
  same state when the deployer is killed before it and after it, and "killed after" is "killed" at
  the next call, unless time passes between them. What a journal or a message tells people about an
  error makes no difference.
- **What a deployer does about an answer** follows from the line of its program that asks and from
  what it was told. A poll that asks the same question at the same line, in the same step, after
  no change and no answer that differed from the one before to the same question, is the same case
  again. Two things do not count as news: that a head renewed its lease, and that the deployer
  keeps its own lock.
"""

import re
from hashlib import sha256
from typing import Any

from tests.simulation.timeline import Timeline
from tests.unit.simulation.calls import Call
from tests.unit.simulation.faulty_calls import Wire

_BEAT = re.compile(r"'beat': \{'N': '\d+'\}")


class Cases:
    """What was seen of a story so far, and which faults in it were tried."""

    def __init__(self, wire: Wire, clock: Timeline) -> None:
        self._wire, self._clock = wire, clock
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
        decides = "\n".join([*self._wire.changes, str(self._clock.now())])
        return sha256(decides.encode()).hexdigest()

    def _killed(self, call: Call, fault: str) -> object:
        if fault not in ("killed", "killed after"):
            return None
        changes = len(self._wire.changes)
        if fault == "killed after" and not call.only_reads:
            changes += 1
        return "killed", changes, self._clock.now()

    def _told(self, call: Call, fault: str) -> object:
        return fault, self._news, call.step, call.place, _question(call)

    def _answered(self, call: Call, answer: dict[str, Any]) -> None:
        if call.keeps_lock:
            return
        told = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        words, question = _BEAT.sub("", str(told)), (call.place, _question(call))
        known = self._answers.get(question, words)
        if not call.only_reads or known != words:
            self._news += 1
        self._answers[question] = words


def _question(call: Call) -> tuple[str, str]:
    """Return what is asked; of the deployer's own lock, always the same."""
    asked = call.arguments["Key"] if call.keeps_lock else call.arguments
    return call.name, str(asked)
