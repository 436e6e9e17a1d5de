"""An image passes when every test of it ran and passed."""

from pathlib import Path

from bake.image_tests import Suite, read_report

REPORT = '<testsuites><testsuite name="pytest">{}</testsuite></testsuites>'
PASSED = '<testcase name="test_good[ssh://x]"/>'
FAILED = '<testcase name="test_bad[ssh://x]"><failure message="assert 1 == 2&#10;more"/></testcase>'
SKIPPED = '<testcase name="test_absent"><skipped message="no tool"/></testcase>'
BROKEN = '<testcase name="test_unready"><error message="no connection"/></testcase>'


OURS = Suite("", ())
OWN = Suite("images.gpu.tests", (), skips=True)


def failures(tmp_path: Path, *cases: str, suite: Suite = OURS) -> tuple[str, ...]:
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format("".join(cases)))
    return read_report(suite, report).failures


def test_an_image_whose_tests_all_pass_has_no_failures(tmp_path: Path) -> None:
    assert failures(tmp_path, PASSED, PASSED) == ()


def test_each_failure_names_its_test_and_says_why(tmp_path: Path) -> None:
    assert failures(tmp_path, PASSED, FAILED, BROKEN) == (
        "test_bad: assert 1 == 2",
        "test_unready: no connection",
    )


def test_a_skipped_test_is_a_failure(tmp_path: Path) -> None:
    assert failures(tmp_path, PASSED, SKIPPED) == ("test_absent: no tool",)


def test_a_persons_own_test_says_whose_it_is_and_may_be_skipped(tmp_path: Path) -> None:
    assert failures(tmp_path, PASSED, FAILED, SKIPPED, suite=OWN) == (
        "images.gpu.tests: test_bad: assert 1 == 2",
    )
    result = read_report(OWN, tmp_path / "report.xml")
    assert (result.passed, result.skipped) == (1, ("images.gpu.tests: test_absent: no tool",))


def test_no_test_at_all_is_a_failure(tmp_path: Path) -> None:
    assert failures(tmp_path) == ("no test ran",)
