"""The record has a line per run, and its quantiles are measured values."""

from dataclasses import replace
from pathlib import Path

from drills.kit.record import Run, append, quantile, runs

RUN = Run(
    started="2026-01-02T03:04:05+00:00",
    drill="gcs_killed",
    environment="local",
    broken=("SIGKILL to gcs_server on i-1",),
    phases={"lease let go": 1.5},
    gap=9.0,
    load=1.2,
    verdict="held",
)


def test_runs_are_read_back_in_order(tmp_path: Path) -> None:
    failed = replace(RUN, verdict="failed", seen="1 of 2 workers")
    append(tmp_path, RUN)
    append(tmp_path, failed)
    append(tmp_path, replace(RUN, drill="power_lost"))

    found = runs(tmp_path)

    assert found["gcs_killed"] == (RUN, failed)
    assert [run.held for run in found["gcs_killed"]] == [True, False]
    assert list(found) == ["gcs_killed", "power_lost"]


def test_without_a_record_there_are_no_runs(tmp_path: Path) -> None:
    assert runs(tmp_path) == {}


def test_a_quantile_is_a_measured_value() -> None:
    values = [float(value) for value in range(1, 21)]

    assert quantile(values, 0.5) == 10
    assert quantile(values, 0.95) == 19
    assert quantile(values, 1.0) == 20
    assert quantile([7.0], 0.5) == quantile([7.0], 0.95) == 7.0
