"""Only drills that passed on the release that is served are attested, for its images."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.errors import Refused
from drills.kit.attest import passed_since
from drills.kit.record import Run, append

SERVED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC).timestamp()


def record(home: Path, drill: str, hour: int, verdict: str = "held", on: str = "dev") -> None:
    started = f"2026-11-22T{hour}:30:00+00:00"
    append(home, Run(started, drill, on, (), {}, 0.0, 0.0, verdict, "no leader after 60 s"))


def test_the_last_run_of_each_since_then_counts(tmp_path: Path) -> None:
    record(tmp_path, "gcs_killed", 11)
    record(tmp_path, "head_terminated", 13, "failed")
    record(tmp_path, "head_terminated", 14)
    record(tmp_path, "zone_lost", 15, on="prod")

    assert passed_since(tmp_path, "dev", SERVED) == {"head_terminated": "2026-11-22T14:30:00+00:00"}


def test_one_that_failed_last_is_named(tmp_path: Path) -> None:
    record(tmp_path, "gcs_killed", 13)
    record(tmp_path, "head_terminated", 13)
    record(tmp_path, "head_terminated", 14, "failed")

    with pytest.raises(Refused, match="head_terminated: no leader after 60 s"):
        passed_since(tmp_path, "dev", SERVED)


def test_without_a_run_since_then_nothing_is_attested(tmp_path: Path) -> None:
    record(tmp_path, "gcs_killed", 11)

    with pytest.raises(Refused, match="no drill has run on dev"):
        passed_since(tmp_path, "dev", SERVED)
