"""How an instance gives up."""

from pathlib import Path

import pytest

from node.give_up import AWS_REPLACES, POWER_OFF, await_shipped, give_up, last_words
from node.logs.progress import Progress
from node.reports import Reports
from tests.unit.node.fakes import an_identity, silent


class FakeReports(Reports):
    def __init__(self, *, hook_waits: bool = True, away: bool = False) -> None:
        self.hook_waits, self.away = hook_waits, away
        self.told: list[str] = []

    def metrics(self, values: dict[str, float], role: str = "") -> None:
        self._tell(f"{role} {values}")

    def complete_launch(self, result: str) -> bool:
        self._tell(result)
        return self.hook_waits

    def declare_unhealthy(self) -> None:
        self._tell("Unhealthy")

    def _tell(self, what: str) -> None:
        if self.away:
            raise OSError("AWS is away")
        self.told.append(what)


def test_a_head_that_is_being_launched_abandons_its_launch() -> None:
    reports = FakeReports()

    assert give_up(an_identity(), reports, silent) == AWS_REPLACES
    assert reports.told == ["head {'GaveUp': 1.0}", "ABANDON"]


def test_a_head_past_its_hook_is_declared_unhealthy() -> None:
    reports = FakeReports(hook_waits=False)

    assert give_up(an_identity(), reports, silent) == AWS_REPLACES
    assert reports.told[-1] == "Unhealthy"


def test_a_head_that_cannot_report_powers_off() -> None:
    assert give_up(an_identity(), FakeReports(away=True), silent) == POWER_OFF


def test_a_worker_powers_off_and_reports_it() -> None:
    reports = FakeReports()

    assert give_up(an_identity(role="worker"), reports, silent) == POWER_OFF
    assert reports.told == ["worker {'GaveUp': 1.0}"]


def test_the_last_words_are_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {n}\n" for n in range(100)))

    assert last_words(log)[-1] == "line 99"
    assert len(last_words(log)) == 20
    assert last_words(tmp_path / "none") == []


def test_its_exit_codes_are_those_that_the_unit_knows() -> None:
    assert (AWS_REPLACES, POWER_OFF) == (0, 1)


def test_words_that_are_no_text_are_last_words_too(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\xffx\n")

    assert last_words(tmp_path / "log") == ["\ufffdx"]


def test_lines_are_awaited_up_to_their_millisecond_and_for_five_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.append(now.pop() + seconds))
    progress = Progress(tmp_path / "progress.json")
    progress.write("c", 1_000_500)

    await_shipped(1000.5, progress)
    assert now == [100.0]
    with pytest.raises(TimeoutError, match=r"^not within 5 s$"):
        await_shipped(1000.501, progress)

    assert 105 <= now[0] < 105.2 + 0.01
