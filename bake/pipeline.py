"""Build images, set their attributes, test them: the pipeline of a bake. Changes AWS (EC2, S3),
and signs there (KMS).

Each image has a thread of its own, and one that fails does not stop the others. Every instance, key
pair and security group that is created is removed again, whether the bake succeeds, fails or is
interrupted.
"""

import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from bake.build import build_image
from bake.build_types import check_build_types
from bake.cancellation import Cancellation
from bake.catalog import (
    Image,
    check_image_attributes,
    describe_image,
    mark_tested,
    mark_unverified,
    mark_verified,
    set_image_attributes,
)
from bake.context import BakeContext
from bake.image_files import store_files
from bake.image_tests import ImageTestResult, our_suite, own_suites, run_image_tests
from bake.leftovers import find_leftovers, remove_leftovers
from bake.plan import BakePlan
from bake.preparation import Preparation, prepare
from bake.sbom import write_bills
from bake.software import Report
from bake.spec import BuildSpec, ImageSpec
from bake.statements import attest_build, attest_tests
from bake.turns import Turns, turns_for
from bake.wanted import WantedImage
from common.checkout import REPOSITORY
from common.errors import PipelineError
from common.progress import Say
from common.signals import handled


@dataclass(frozen=True)
class NewImages:
    """The ids of new images, and the folder with all logs and reports."""

    ami_ids: dict[WantedImage, str]
    folder: Path


def build_and_test(context: BakeContext, plan: BakePlan) -> NewImages:
    """Build what is missing, test each image on a fresh instance, and mark it verified.

    Raises PipelineError that names each image that failed.
    """
    return _done(context, plan, Work)


def build_untested(context: BakeContext, plan: BakePlan) -> dict[WantedImage, str]:
    """Build what is missing and return its AMI ids; unverified, so that nothing uses them.

    Raises PipelineError that names each image that failed.
    """
    return _done(context, plan, UntestedWork).ami_ids


def _done(context: BakeContext, plan: BakePlan, kind: "type[Work]") -> NewImages:
    clients = context.clients
    todo = (*plan.missing, *plan.untested)
    settings = {image.place: context.environment.image_named(image.name) for image in todo}
    check_build_types(clients, settings.items())
    with interruptible():
        leftovers = find_leftovers(clients, context.now())
        remove_leftovers(clients, leftovers, context.clock, context.say)
        prepared = prepare(context, plan, commit())
        specs = {**prepared.builds, **prepared.tests}
        types = {image: spec.settings.build_instance_type for image, spec in specs.items()}
        work = kind(context, plan, prepared, turns_for(clients, types, context.say))
        context.lines.end("bake", f"prepared; logs and reports: {prepared.folder}")
        return NewImages(work.do_all(tuple(specs)), prepared.folder)


class Work:
    """What is done for each image, all at once as far as the quotas allow."""

    def __init__(
        self, context: BakeContext, plan: BakePlan, prepared: Preparation, turns: Turns
    ) -> None:
        self._context, self._plan, self._prepared, self._turns = context, plan, prepared, turns
        self._cancellation = Cancellation()
        self._failures: dict[WantedImage, PipelineError] = {}

    def do_all(self, images: tuple[WantedImage, ...]) -> dict[WantedImage, str]:
        """Return the AMI id of each image; raises PipelineError that names those that failed."""
        with ThreadPoolExecutor(len(images)) as pool:
            try:
                futures = {image: pool.submit(self._do, image) for image in images}
                done, _ = wait(futures.values(), return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            except BaseException:
                self._cancellation.request()
                raise
        if self._failures:
            raise _united(self._failures)
        return {image: future.result() for image, future in futures.items()}

    def _do(self, image: WantedImage) -> str:
        """Build and test one image in its turn; return its AMI id, empty when it failed."""

        def say(words: str) -> None:
            self._context.lines.say(str(image), words)

        try:
            with self._turns.turn(image, self._cancellation, say):
                if image in self._prepared.builds:
                    ami_id, outcome = self._build(self._prepared.builds[image], say)
                else:
                    existing = self._plan.untested[image]
                    ami_id, outcome = self._test_again(existing, self._prepared.tests[image], say)
        except PipelineError as error:
            self._failures[image] = error
            self._context.lines.end(str(image), error.message.partition("\n")[0], failed=True)
            return ""
        self._context.lines.end(str(image), outcome)
        return ami_id

    def _build(self, spec: BuildSpec, say: Say) -> tuple[str, str]:
        clients = self._context.clients
        ami_id = build_image(clients, spec, self._context.clock, say, self._cancellation)
        if not spec.template.current:
            set_image_attributes(clients, ami_id, self._context.now())
            describe_image(clients, ami_id, spec.description)
        check_image_attributes(clients, ami_id)
        return ami_id, self._finish(ami_id, spec, say)

    def _finish(self, ami_id: str, spec: BuildSpec, say: Say) -> str:
        """Test a new image, and keep and sign what is known of it; return what happened."""
        clients = self._context.clients
        write_bills(spec)
        suites = (our_suite(spec), *own_suites(spec))
        result = run_image_tests(self._context, spec, ami_id, suites, say, self._cancellation)
        _raise_on_failures(result, spec, ami_id)
        store_files(clients, spec.environment.images_bucket, spec.digest, ami_id, spec.folder)
        finished = self._context.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        attest_build(clients, spec.environment, spec, ami_id, finished)
        report = Report.parse((spec.folder / "software.json").read_text())
        mark_verified(clients, ami_id, self._context.now(), report, spec.additions.tests_digest)
        return _outcome(ami_id, result, report.gpu)

    def _test_again(self, existing: Image, spec: ImageSpec, say: Say) -> tuple[str, str]:
        """Run a person's own tests; an image that fails is no longer verified."""
        clients, ami_id = self._context.clients, existing.ami_id
        suites = own_suites(spec)
        result = run_image_tests(self._context, spec, ami_id, suites, say, self._cancellation)
        if result.failures:
            mark_unverified(clients, ami_id)
        _raise_on_failures(result, spec, ami_id)
        attest_tests(clients, spec.environment, spec, existing)
        mark_tested(clients, ami_id, self._context.now(), spec.additions.tests_digest)
        return ami_id, _outcome(ami_id, result, "")


class UntestedWork(Work):
    """The same, but a new image is left as it was built."""

    def _finish(self, ami_id: str, spec: BuildSpec, say: Say) -> str:
        return f"{ami_id}, not tested"


def _outcome(ami_id: str, result: ImageTestResult, gpu: str) -> str:
    """Return what happened to an image, with all that was skipped and why."""
    skipped = [*result.skipped, *([f"GPU: {gpu}"] if gpu else [])]
    return "; ".join([f"{ami_id}, {result.passed} tests passed", *skipped])


def _raise_on_failures(result: ImageTestResult, spec: ImageSpec, ami_id: str) -> None:
    """Raise PipelineError naming every test that failed."""
    if result.failures:
        raise PipelineError(
            f"image tests failed; {ami_id} is kept, unverified\n"
            + "\n".join(f"    {failure}" for failure in result.failures),
            hint=f"fix the cause and bake again; reports: {spec.folder}",
        )


def _united(failures: dict[WantedImage, PipelineError]) -> PipelineError:
    """Return one error for all images that failed."""
    ordered = sorted(failures.items())
    return PipelineError(
        "the bake failed\n" + "\n".join(f"  {image}: {error.message}" for image, error in ordered),
        hint="; ".join(dict.fromkeys(error.hint for _, error in ordered if error.hint)),
    )


def commit(repository: Path = REPOSITORY) -> str:
    """Return the checkout's commit, ``-dirty`` when it holds changes; ``unknown`` outside git."""
    command = ["git", "-C", str(repository), "describe", "--always", "--dirty", "--abbrev=12"]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    return completed.stdout.strip() or "unknown"


@contextmanager
def interruptible() -> Iterator[None]:
    """Clean up on SIGTERM as on Ctrl-C: a cancelled CI job sends SIGTERM."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with handled(interrupt, signal.SIGTERM):
        yield
