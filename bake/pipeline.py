"""Build images, set their attributes, test them: the pipeline of a bake. Changes AWS (EC2).

Every instance, key pair and security group that it creates is removed again, whether it succeeds,
fails or is interrupted.
"""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bake.base_image import BaseImage
from bake.build import BuildSpec, build_images
from bake.catalog import mark_verified, set_image_attributes
from bake.context import BakeContext
from bake.digest import DigestInputs, image_digest
from bake.files import LOCK, copy_shaping_files
from bake.image_tests import ImageTestResult, run_image_tests
from bake.leftovers import find_leftovers, remove_leftovers
from bake.owner import this_process
from bake.ray_lock import Target, pins_for, ray_version
from bake.software import software_in
from bake.subnet import resolve_subnet
from bake.wheelhouse import check_wheels, fetch_wheelhouse
from common.checkout import REPOSITORY
from common.errors import PipelineError


@dataclass(frozen=True)
class VerifiedImages:
    """The ids of new, verified images by role, and the folder with all logs and reports."""

    ami_ids: dict[str, str]
    folder: Path


def build_and_test(context: BakeContext, base: BaseImage, roles: tuple[str, ...]) -> VerifiedImages:
    """Build an image for each role, test each on a fresh instance, and mark it verified."""
    clients = context.clients
    with interruptible():
        leftovers = find_leftovers(clients, context.now())
        remove_leftovers(clients, leftovers, context.clock, context.progress)
        spec = _build_spec(context, base, roles)
        ami_ids = build_images(clients, spec, context.progress)
        for ami_id in ami_ids.values():
            set_image_attributes(clients, ami_id, context.now())
        results = run_image_tests(context, spec, ami_ids)
        _mark_passed(context, results, spec)
        _raise_on_failures(results, spec)
    return VerifiedImages(ami_ids, spec.folder)


def _build_spec(context: BakeContext, base: BaseImage, roles: tuple[str, ...]) -> BuildSpec:
    """Gather all that a build needs; every wheel's hash is checked before it is used."""
    environment = context.environment
    built = context.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    folder = context.home / "bakes" / built.replace(":", "")
    source = copy_shaping_files(folder / "source")
    lock = (source / LOCK).read_text()
    target = Target(environment.image.python, environment.image.architecture)
    wheelhouse = fetch_wheelhouse(environment, context.cache, context.progress, source / LOCK)
    check_wheels(wheelhouse, pins_for(lock, target))
    inputs = DigestInputs.of(environment.image, base.ami_id)
    return BuildSpec(
        environment=environment,
        base=base,
        subnet=resolve_subnet(context.clients, environment.image),
        source=source,
        digests={role: image_digest(role, inputs, source) for role in roles},
        wheelhouse=wheelhouse,
        ray_version=ray_version(lock, target),
        git=commit(),
        built=built,
        owner=this_process(),
        folder=folder,
    )


def _mark_passed(
    context: BakeContext, results: tuple[ImageTestResult, ...], spec: BuildSpec
) -> None:
    """Tag each image whose tests passed as verified, with its software."""
    for result in results:
        if not result.failures:
            report = (spec.folder / f"software-{result.role}.json").read_text()
            mark_verified(context.clients, result.ami_id, context.now(), software_in(report))


def _raise_on_failures(results: tuple[ImageTestResult, ...], spec: BuildSpec) -> None:
    """Raise PipelineError naming every test that failed."""
    failures = [
        f"  {result.role} ({result.ami_id}): {failure}"
        for result in results
        for failure in result.failures
    ]
    if failures:
        raise PipelineError(
            "image tests failed; the image is kept, unverified\n" + "\n".join(failures),
            hint=f"fix the cause and bake again; reports: {spec.folder}",
        )


def commit(repository: Path = REPOSITORY) -> str:
    """Return the checkout's commit, ``-dirty`` when it holds changes; ``unknown`` outside git."""
    command = ["git", "-C", str(repository), "describe", "--always", "--dirty", "--abbrev=12"]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    return completed.stdout.strip() or "unknown"


@contextmanager
def interruptible() -> Iterator[None]:
    """Clean up on SIGTERM as on Ctrl-C: a cancelled CI job sends SIGTERM."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
