"""How an instance gives up."""

from pathlib import Path

from node.give_up import AWS_REPLACES, POWER_OFF, give_up, last_words
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
