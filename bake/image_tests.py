"""Test new images: boot a fresh instance of each and run testinfra on it. Changes AWS (EC2).

The images of all roles are tested in parallel. An image is tagged verified only when every test has
passed; one that fails is kept, unverified, for a person to examine, and deploy refuses it.
"""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from xml.etree import ElementTree

from bake.build import BuildSpec
from bake.context import BakeContext
from bake.fresh_instance import InstanceSpec, SshAccess, fresh_instance
from common.checkout import REPOSITORY
from common.errors import PipelineError

TESTS = Path("tests", "image")
TEST_SECONDS = 600
# One connection for all tests takes 0.9 s instead of 7 s. The host is new, so its key is unknown.
# It is a file, because pytest-testinfra 10.2.2 accepts --ssh-extra-args but does not pass it on.
SSH_CONFIG = """\
Host *
  ControlMaster auto
  ControlPersist 120s
  ControlPath {folder}/ssh
  IdentityFile {key_file}
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ConnectTimeout 10
"""


@dataclass(frozen=True)
class ImageTestResult:
    """The result of testing one image; ``failures`` is a line per failed test."""

    role: str
    ami_id: str
    passed: int
    failures: tuple[str, ...]


def run_image_tests(
    context: BakeContext, spec: BuildSpec, ami_ids: dict[str, str]
) -> tuple[ImageTestResult, ...]:
    """Test every image in parallel, each on a fresh instance that is terminated afterwards."""
    cancelled = Event()

    def test(role: str) -> ImageTestResult:
        with tempfile.TemporaryDirectory(prefix="raykiln-") as scratch:
            return _test_on_instance(context, spec, role, ami_ids[role], Path(scratch), cancelled)

    with ThreadPoolExecutor(len(ami_ids)) as pool:
        try:
            return tuple(pool.map(test, ami_ids))
        except BaseException:
            cancelled.set()
            raise


def _test_on_instance(
    context: BakeContext, spec: BuildSpec, role: str, ami_id: str, scratch: Path, cancelled: Event
) -> ImageTestResult:
    instance = InstanceSpec(
        environment=spec.environment,
        subnet=spec.subnet,
        ami_id=ami_id,
        name=f"raykiln-image-test-{role}-{spec.stamp}",
        owner=spec.owner,
        folder=scratch,
    )
    with fresh_instance(
        context.clients,
        instance,
        clock=context.clock,
        is_cancelled=cancelled.is_set,
        progress=lambda words: context.progress(f"{role}: {words}"),
    ) as access:
        context.progress(f"{role}: testing {access.instance_id}")
        return _run_pytest(spec, role, ami_id, access)


def _run_pytest(spec: BuildSpec, role: str, ami_id: str, access: SshAccess) -> ImageTestResult:
    report = spec.folder / f"image-tests-{role}.xml"
    log = spec.folder / f"image-tests-{role}.log"
    with log.open("w") as output:
        completed = subprocess.run(
            _pytest_command(spec, role, access, report),
            cwd=REPOSITORY,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=TEST_SECONDS,
            check=False,
        )
    if not report.exists():
        raise PipelineError(
            f"the tests of the {role} image did not run (pytest exit code {completed.returncode})",
            hint=f"full output: {log}",
        )
    return read_report(role, ami_id, report)


def _pytest_command(spec: BuildSpec, role: str, access: SshAccess, report: Path) -> list[str]:
    folder = access.key_file.parent
    config = folder / "ssh_config"
    config.write_text(SSH_CONFIG.format(folder=folder, key_file=access.key_file))
    settings = spec.environment.image
    return [
        *(sys.executable, "-m", "pytest", str(TESTS), "-q", "-p", "no:cacheprovider"),
        f"--hosts=ssh://{access.username}@{access.address}",
        f"--ssh-config={config}",
        *(f"--image-source={spec.source}", f"--image-digest={spec.digests[role]}"),
        *(f"--image-ray={spec.ray_version}", f"--image-python={settings.python}"),
        *(f"--image-role={role}", f"--image-user={access.username}", f"--junitxml={report}"),
        f"--image-base={spec.folder / f'base-{role}.json'}",
        *(("--image-ssm-agent",) if settings.ssm_agent_required else ()),
    ]


def read_report(role: str, ami_id: str, report: Path) -> ImageTestResult:
    """Read pytest's report (JUnit XML). A skipped test is a failure, and so is an empty report."""
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314
    failures = tuple(
        f"{case.get('name', '').partition('[')[0]}: {_message(problem)}"
        for case in cases
        for problem in (*case.findall("failure"), *case.findall("error"), *case.findall("skipped"))
    )
    if not cases:
        failures = ("no test ran",)
    return ImageTestResult(role, ami_id, len(cases) - len(failures), failures)


def _message(problem: ElementTree.Element) -> str:
    lines = (problem.get("message") or problem.text or "").strip().splitlines()
    return lines[0][:300] if lines else problem.tag
