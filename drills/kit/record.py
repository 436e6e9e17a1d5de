"""What drills have shown: a line of JSON a run, in a file a drill. No AWS."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = "drills"


@dataclass(frozen=True)
class Run:
    """One run: what was broken, and what was seen of it.

    ``phases`` and ``gap`` (the longest a client was without a job taken) are seconds since the
    break, ``figures`` what else the drill measured; ``load`` is the load average of the machine
    that looked on, over a minute. ``seen`` is why it failed.
    """

    started: str
    drill: str
    environment: str
    broken: tuple[str, ...]
    phases: dict[str, float]
    gap: float
    load: float
    verdict: str
    seen: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        """The cluster did what it must."""
        return self.verdict == "held"


def append(home: Path, run: Run) -> Path:
    """Add a run to its drill's record; return the file."""
    path = home / FOLDER / f"{run.drill}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as record:
        record.write(json.dumps(asdict(run)) + "\n")
    return path


def runs(home: Path) -> dict[str, tuple[Run, ...]]:
    """Return every run on record, by drill, oldest first."""
    files = sorted((home / FOLDER).glob("*.jsonl"))
    return {path.stem: tuple(map(_run, path.read_text("utf-8").splitlines())) for path in files}


def quantile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that so large a share of the values does not exceed."""
    ordered = sorted(values)
    rank = math.ceil(round(share * len(ordered), 6))  # 0.95 of 20 is 19, and no hair more
    return ordered[max(rank, 1) - 1]


def _run(line: str) -> Run:
    found = json.loads(line)
    return Run(**{**found, "broken": tuple(found["broken"])})
