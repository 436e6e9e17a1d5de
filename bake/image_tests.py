"""Test an image: boot a fresh instance of it and run testinfra there. Changes AWS (EC2).

Two suites run, one after the other: ours, ``tests/image``, and a person's own. An image is tagged
verified only when every test has passed.
"""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from bake.cancellation import Cancellation
from bake.context import BakeContext
from bake.fresh_instance import InstanceSpec, SshAccess, fresh_instance
from bake.spec import BuildSpec, ImageSpec
from bake.ssh import ssh_config
from common.checkout import REPOSITORY
from common.errors import PipelineError
from common.progress import Say

TESTS = Path("tests", "image")
TEST_SECONDS = 600


@dataclass(frozen=True)
class Suite:
    """Tests to run. ``name`` is empty for ours, and the key of a person's own.

    ``skips``: whether a test may be skipped. Ours may not; a person's may, for example where the
    build instance has no GPU.
    """

    name: str
    arguments: tuple[str, ...]
    skips: bool = False


@dataclass(frozen=True)
class ImageTestResult:
    """How many tests passed; a line for each that failed, and for each that was skipped."""

    passed: int
    failures: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def our_suite(spec: BuildSpec) -> Suite:
    """Return the tests that every image has to pass."""
    settings = spec.settings
    return Suite(
        "",
        (
            str(REPOSITORY / TESTS),
            *(f"--image-source={spec.source}", f"--image-digest={spec.digest}"),
            *(f"--image-ray={spec.ray_version}", f"--image-python={settings.python}"),
            *(f"--image-role={spec.image.role}", f"--image-user={settings.ssh_username}"),
            *(f"--image-facts={spec.folder}", f"--image-additions={spec.added}"),
            *(("--image-ssm-agent",) if settings.ssm_agent_required else ()),
        ),
    )


def own_suites(spec: ImageSpec) -> tuple[Suite, ...]:
    """Return a person's own tests; they run apart, so that neither sees the other's fixtures."""
    if not spec.additions.tests_digest:
        return ()
    tests = str(spec.added / "tests")
    options = (f"--rootdir={tests}", f"--config-file={os.devnull}", "--sudo")
    return (Suite(f"{spec.image.place}.tests", (tests, *options), skips=True),)


def run_image_tests(
    context: BakeContext,
    spec: ImageSpec,
    ami_id: str,
    suites: tuple[Suite, ...],
    progress: Say,
    cancellation: Cancellation,
) -> ImageTestResult:
    """Run suites on one fresh instance, which is terminated afterwards."""
    with tempfile.TemporaryDirectory(prefix="raykiln-") as scratch:
        instance = InstanceSpec(
            environment=spec.environment,
            settings=spec.settings,
            subnet=spec.subnet,
            ami_id=ami_id,
            name=f"raykiln-image-test-{spec.image.slug}-{spec.stamp}",
            owner=spec.owner,
            folder=Path(scratch),
        )
        with fresh_instance(
            context.clients,
            instance,
            clock=context.clock,
            is_cancelled=lambda: cancellation.requested,
            progress=progress,
        ) as access:
            results = []
            for suite in suites:
                progress(f"testing {access.instance_id} {suite.name}".rstrip())
                results.append(_run_pytest(spec, suite, access, cancellation))
    return ImageTestResult(
        sum(result.passed for result in results),
        tuple(failure for result in results for failure in result.failures),
        tuple(skipped for result in results for skipped in result.skipped),
    )


def _run_pytest(
    spec: ImageSpec, suite: Suite, access: SshAccess, cancellation: Cancellation
) -> ImageTestResult:
    kind = "own-tests" if suite.name else "image-tests"
    report, log = spec.folder / f"{kind}.xml", spec.folder / f"{kind}.log"
    command = _pytest_command(suite, access, report)
    words = suite.name or "the image tests"
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, cwd=REPOSITORY, stdout=output, stderr=subprocess.STDOUT
        ) as pytest,
    ):
        try:
            with cancellation.calling(pytest.terminate):
                pytest.wait(TEST_SECONDS)
        except subprocess.TimeoutExpired as error:
            pytest.kill()
            raise PipelineError(
                f"{words} did not end within {TEST_SECONDS} s", hint=f"full output: {log}"
            ) from error
    cancellation.check()
    if not report.exists():
        raise PipelineError(
            f"{words} did not run (pytest exit code {pytest.returncode})",
            hint=f"full output: {log}",
        )
    return read_report(suite, report)


def _pytest_command(suite: Suite, access: SshAccess, report: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", *suite.arguments, "-q", "-p", "no:cacheprovider"),
        f"--hosts=ssh://{access.username}@{access.address}",
        *(f"--ssh-config={ssh_config(access)}", f"--junitxml={report}"),
    ]


def read_report(suite: Suite, report: Path) -> ImageTestResult:
    """Read pytest's report (JUnit XML); an empty one is a failure."""
    start = f"{suite.name}: " if suite.name else ""
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314

    def lines(*kinds: str) -> tuple[str, ...]:
        return tuple(
            f"{start}{case.get('name', '').partition('[')[0]}: {_message(problem)}"
            for case in cases
            for kind in kinds
            for problem in case.findall(kind)
        )

    failures, skipped = lines("failure", "error"), lines("skipped")
    if not suite.skips:
        failures, skipped = (*failures, *skipped), ()
    if not cases:
        failures = (f"{start}no test ran",)
    return ImageTestResult(len(cases) - len(failures) - len(skipped), failures, skipped)


def _message(problem: ElementTree.Element) -> str:
    lines = (problem.get("message") or problem.text or "").strip().splitlines()
    return lines[0][:300] if lines else problem.tag
