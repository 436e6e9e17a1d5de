"""An image passes when every test of it ran and passed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bake import image_tests
from bake.additions import Additions
from bake.cancellation import Cancellation, Cancelled
from bake.context import BakeContext
from bake.fresh_instance import InstanceSpec, SshAccess
from bake.image_tests import (
    ImageTestResult,
    Suite,
    our_suite,
    own_suites,
    read_report,
    run_image_tests,
)
from bake.wanted import WantedImage
from common.checkout import REPOSITORY
from common.clients import Clients
from common.errors import PipelineError
from tests.unit.bake.test_build import a_build_spec
from tests.unit.localcloud.fakes import FakeClock

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


def test_our_tests_know_what_the_image_should_be(tmp_path: Path) -> None:
    assert our_suite(a_build_spec(tmp_path)) == Suite(
        "",
        (
            str(REPOSITORY / "tests/image"),
            f"--image-source={REPOSITORY}",
            f"--image-digest={'a' * 64}",
            "--image-ray=2.60.0",
            "--image-python=3.11",
            "--image-role=worker",
            "--image-user=admin",
            f"--image-facts={tmp_path}",
            f"--image-additions={tmp_path}/additions",
            "--image-ssm-agent",
        ),
    )


def test_a_persons_own_tests_run_as_root_and_without_our_settings(tmp_path: Path) -> None:
    spec = a_build_spec(tmp_path, WantedImage("worker", "gpu"))
    assert own_suites(spec) == ()

    tested = replace(spec, additions=Additions({"tests/test_it.py": b""}))

    tests = f"{tmp_path}/additions/tests"
    assert own_suites(tested) == (
        Suite(
            "images.gpu.tests",
            (tests, f"--rootdir={tests}", f"--config-file={os.devnull}", "--sudo"),
            skips=True,
        ),
    )


def test_pytest_reaches_the_instance_by_ssh_and_writes_a_report(tmp_path: Path) -> None:
    access = SshAccess("i-1", "10.0.0.9", "admin", tmp_path / "key")

    command = image_tests._pytest_command(Suite("", ("tests", "-x")), access, Path("report.xml"))

    assert command == [
        *(sys.executable, "-m", "pytest", "tests", "-x", "-q", "-p", "no:cacheprovider"),
        "--hosts=ssh://admin@10.0.0.9",
        f"--ssh-config={tmp_path}/ssh_config",
        "--junitxml=report.xml",
    ]


class Bench:
    """A fresh instance, and a program in place of pytest; both are the test's."""

    def __init__(self, clients: Clients, folder: Path) -> None:
        self.spec = a_build_spec(folder)
        self.context = BakeContext(
            clients, self.spec.environment, folder, folder, clock=FakeClock()
        )
        self.cancellation = Cancellation()
        self.booted: list[InstanceSpec] = []
        self.said: list[str] = []
        self.program = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
        self.cases = PASSED

    @contextmanager
    def boot(self, clients: Clients, spec: InstanceSpec, **options: Any) -> Iterator[SshAccess]:
        self.booted.append(spec)
        assert options["clock"] is self.context.clock
        assert options["is_cancelled"]() is self.cancellation.requested
        yield SshAccess("i-1", "10.0.0.9", "admin", spec.folder / "key")

    def command(self, suite: Suite, access: SshAccess, report: Path) -> list[str]:
        assert access.address == "10.0.0.9"
        return [
            *(sys.executable, "-c", self.program),
            *(str(report), REPORT.format(self.cases)),
        ]

    def run(self, *suites: Suite) -> ImageTestResult:
        return run_image_tests(
            self.context, self.spec, "ami-1", suites, self.said.append, self.cancellation
        )


@pytest.fixture
def bench(clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(clients, tmp_path)
    monkeypatch.setattr(image_tests, "fresh_instance", made.boot)
    monkeypatch.setattr(image_tests, "_pytest_command", made.command)
    return made


def test_all_suites_run_on_one_instance_and_their_results_are_added(bench: Bench) -> None:
    bench.cases = PASSED + PASSED + SKIPPED

    result = bench.run(OURS, OWN)

    assert result == ImageTestResult(
        4, ("test_absent: no tool",), ("images.gpu.tests: test_absent: no tool",)
    )
    assert bench.said == ["testing i-1", "testing i-1 images.gpu.tests"]
    assert sorted(path.name for path in bench.spec.folder.iterdir()) == [
        "image-tests.log",
        "image-tests.xml",
        "own-tests.log",
        "own-tests.xml",
    ]
    (booted,) = bench.booted
    assert booted == InstanceSpec(
        environment=bench.spec.environment,
        settings=bench.spec.settings,
        subnet=bench.spec.subnet,
        ami_id="ami-1",
        name="raykiln-image-test-worker-20261122120000",
        owner=bench.spec.owner,
        folder=booted.folder,
    )
    assert not booted.folder.exists()


def test_tests_that_did_not_run_are_a_failure_with_the_place_of_their_output(bench: Bench) -> None:
    bench.program = "import sys; print('usage'); print('why', file=sys.stderr); sys.exit(4)"

    with pytest.raises(PipelineError) as failed:
        bench.run(OURS)

    log = bench.spec.folder / "image-tests.log"
    assert failed.value.message == "the image tests did not run (pytest exit code 4)"
    assert failed.value.hint == f"full output: {log}"
    assert sorted(log.read_text().splitlines()) == ["usage", "why"]


def test_tests_that_do_not_end_are_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert image_tests.TEST_SECONDS == 600
    monkeypatch.setattr(image_tests, "TEST_SECONDS", 0.1)
    bench.program = "import time; time.sleep(600)"

    with pytest.raises(PipelineError) as failed:
        bench.run(OWN)

    assert failed.value.message == "images.gpu.tests did not end within 0.1 s"
    assert failed.value.hint == f"full output: {bench.spec.folder / 'own-tests.log'}"


def test_tests_end_when_the_bake_is_cancelled(bench: Bench) -> None:
    bench.program = "import time; time.sleep(600)"
    bench.cancellation.request()

    with pytest.raises(Cancelled):
        bench.run(OURS)


def test_a_failure_without_a_message_says_what_it_is(tmp_path: Path) -> None:
    text = '<testcase name="test_text"><failure>  first&#10;second</failure></testcase>'
    long = f'<testcase name="test_long"><failure message="{"x" * 400}"/></testcase>'

    assert failures(tmp_path, '<testcase name="test_bare"><error/></testcase>', text, long) == (
        "test_bare: error",
        "test_text: first",
        "test_long: " + "x" * 300,
    )
