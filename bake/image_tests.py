"""Test new images: boot a fresh instance of each and run testinfra on it. Changes AWS (EC2).

All roles at once. An image is tagged verified only when every test has passed; one that fails stays
as it is, unverified, for a person to look at, and deploy refuses it.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from xml.etree import ElementTree

from bake.build import Recipe
from bake.fresh_instance import Reach, fresh_instance
from common.checkout import REPOSITORY
from common.clients import Clients
from common.errors import PipelineError
from common.waiting import Clock

TESTS = Path("tests", "image")
TEST_SECONDS = 600
# One connection for all tests: 0.9 s instead of 7 s. The host is new, so its key is unknown.
# A file, because pytest-testinfra 10.2.2 takes --ssh-extra-args but does not pass it on.
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
class Outcome:
    """What testing one image gave; ``failures`` are words for a person, empty when all passed."""

    role: str
    ami_id: str
    passed: int
    failures: tuple[str, ...]


def check_images(
    clients: Clients,
    recipe: Recipe,
    ami_ids: dict[str, str],
    clock: Clock,
    progress: Callable[[str], None],
) -> tuple[Outcome, ...]:
    """Test every image, all at once, each on an instance of its own that is gone afterwards."""

    cancelled = Event()

    def check(role: str) -> Outcome:
        with (
            tempfile.TemporaryDirectory(prefix="raykiln-") as scratch,
            fresh_instance(
                clients,
                recipe.environment,
                recipe.subnet,
                ami_ids[role],
                name=f"raykiln-image-test-{role}-{recipe.stamp}",
                owner=recipe.owner,
                folder=Path(scratch),
                clock=clock,
                cancelled=cancelled.is_set,
                progress=lambda words: progress(f"{role}: {words}"),
            ) as reach,
        ):
            progress(f"{role}: testing {reach.instance_id}")
            return _run_tests(recipe, role, ami_ids[role], reach)

    with ThreadPoolExecutor(len(ami_ids)) as pool:
        try:
            return tuple(pool.map(check, ami_ids))
        except BaseException:
            cancelled.set()
            raise


def _run_tests(recipe: Recipe, role: str, ami_id: str, reach: Reach) -> Outcome:
    report = recipe.folder / f"image-tests-{role}.xml"
    log = recipe.folder / f"image-tests-{role}.log"
    with log.open("w") as output:
        ended = subprocess.run(
            _pytest(recipe, role, reach, report),
            cwd=REPOSITORY,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=TEST_SECONDS,
            check=False,
        )
    if not report.exists():
        raise PipelineError(
            f"the tests of the {role} image did not run (pytest ended with {ended.returncode})",
            hint=f"all that was said: {log}",
        )
    return outcome(role, ami_id, report)


def _pytest(recipe: Recipe, role: str, reach: Reach, report: Path) -> list[str]:
    folder = reach.key_file.parent
    config = folder / "ssh_config"
    config.write_text(SSH_CONFIG.format(folder=folder, key_file=reach.key_file))
    settings = recipe.environment.image
    return [
        *(sys.executable, "-m", "pytest", str(TESTS), "-q", "-p", "no:cacheprovider"),
        f"--hosts=ssh://{reach.username}@{reach.address}",
        f"--ssh-config={config}",
        *(f"--image-source={recipe.source}", f"--image-digest={recipe.digests[role]}"),
        *(f"--image-ray={recipe.ray_version}", f"--image-python={settings.python}"),
        *(f"--image-role={role}", f"--image-user={reach.username}", f"--junitxml={report}"),
        *(("--image-ssm-agent",) if settings.ssm_agent_required else ()),
    ]


def outcome(role: str, ami_id: str, report: Path) -> Outcome:
    """Read pytest's report, JUnit XML; a skipped test and no test at all are failures too."""
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314
    failures = tuple(
        f"{case.get('name', '').partition('[')[0]}: {_words(fault)}"
        for case in cases
        for fault in (*case.findall("failure"), *case.findall("error"), *case.findall("skipped"))
    )
    if not cases:
        failures = ("no test ran",)
    return Outcome(role, ami_id, len(cases) - len(failures), failures)


def _words(fault: ElementTree.Element) -> str:
    lines = (fault.get("message") or fault.text or "").strip().splitlines()
    return lines[0][:300] if lines else fault.tag
