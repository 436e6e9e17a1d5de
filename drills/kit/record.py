"""The record of drills: a file for each drill, a line of JSON for each run. No AWS."""

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = "drills"


@dataclass(frozen=True)
class Run:
    """One run. The names of these fields are the keys of the JSON.

    ``broken`` are the faults. ``phases`` are in seconds since the fault; ``gap`` is the longest
    time in seconds that a client had no job accepted; ``figures`` are what else the drill measured.
    ``load`` is the one-minute load average of this machine. ``seen`` says why the run failed.
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
    """Append a run to the record of its drill; return the file."""
    path = home / FOLDER / f"{run.drill}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as record:
        record.write(json.dumps(asdict(run)) + "\n")
    return path


def runs(home: Path) -> dict[str, tuple[Run, ...]]:
    """Return every recorded run by drill, oldest first."""
    files = sorted((home / FOLDER).glob("*.jsonl"))
    return {path.stem: tuple(map(_run, path.read_text("utf-8").splitlines())) for path in files}


def quantile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least ``share`` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    rank = math.ceil(round(share * len(ordered), 6))  # 0.95 of 20 must be exactly 19
    return ordered[max(rank, 1) - 1]


def _run(line: str) -> Run:
    found = json.loads(line)
    return Run(**{**found, "broken": tuple(found["broken"])})
