"""Make images and find out whether they are fit: Packer, hardening, image tests. Changes AWS (EC2).

Nothing that it starts outlives it, whether it fails, is interrupted, or succeeds.
"""

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bake.base_image import BaseImage
from bake.build import Recipe, build_images
from bake.catalog import harden, mark_verified
from bake.digest import DigestInputs, image_digest
from bake.files import LOCK, copy_shaping_files
from bake.image_tests import Outcome, check_images
from bake.leftovers import find_leftovers, remove_leftovers
from bake.owner import this_process
from bake.ray_lock import Target, pins, ray_version
from bake.software import software_in
from bake.subnet import resolve_subnet
from bake.wheelhouse import check_wheels, fetch_wheelhouse
from common.checkout import REPOSITORY
from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError
from common.waiting import Clock

Progress = Callable[[str], None]


@dataclass(frozen=True)
class BuiltImages:
    """New, verified images by role, and the folder with all that was said about them."""

    ami_ids: dict[str, str]
    folder: Path


def build_and_test(
    clients: Clients,
    environment: Environment,
    base: BaseImage,
    roles: tuple[str, ...],
    *,
    home: Path,
    cache: Path,
    progress: Progress,
    clock: Clock,
) -> BuiltImages:
    """Build an image for each role, test each on a fresh instance, and mark it verified."""
    with interruptible():
        remove_leftovers(clients, find_leftovers(clients, _now(clock)), clock, progress)
        recipe = _recipe(clients, environment, base, roles, home, cache, clock, progress)
        ami_ids = build_images(clients, recipe, progress)
        for ami_id in ami_ids.values():
            harden(clients, ami_id, _now(clock))
        _judge(clients, check_images(clients, recipe, ami_ids, clock, progress), recipe, clock)
    return BuiltImages(ami_ids, recipe.folder)


def _recipe(
    clients: Clients,
    environment: Environment,
    base: BaseImage,
    roles: tuple[str, ...],
    home: Path,
    cache: Path,
    clock: Clock,
    progress: Progress,
) -> Recipe:
    """Gather all that a build needs; the wheels are checked to the bit before they go anywhere."""
    built = _now(clock).strftime("%Y-%m-%dT%H:%M:%SZ")
    folder = home / "bakes" / built.replace(":", "")
    source = copy_shaping_files(folder / "source")
    lock = (source / LOCK).read_text()
    target = Target(environment.image.python, environment.image.architecture)
    wheelhouse = fetch_wheelhouse(environment, cache, progress, source / LOCK)
    check_wheels(wheelhouse, pins(lock, target))
    ingredients = DigestInputs.of(environment.image, base.ami_id)
    return Recipe(
        environment=environment,
        base=base,
        subnet=resolve_subnet(clients, environment.image),
        source=source,
        digests={role: image_digest(role, ingredients, source) for role in roles},
        wheelhouse=wheelhouse,
        ray_version=ray_version(lock, target),
        git=commit(),
        built=built,
        owner=this_process(),
        folder=folder,
    )


def _judge(clients: Clients, outcomes: tuple[Outcome, ...], recipe: Recipe, clock: Clock) -> None:
    """Tag the images that passed; raise PipelineError naming every test that failed."""
    for outcome in outcomes:
        if not outcome.failures:
            report = (recipe.folder / f"software-{outcome.role}.json").read_text()
            mark_verified(clients, outcome.ami_id, _now(clock), software_in(report))
    failures = [
        f"  {outcome.role} ({outcome.ami_id}): {failure}"
        for outcome in outcomes
        for failure in outcome.failures
    ]
    if failures:
        raise PipelineError(
            "image tests failed; the image stays, unverified\n" + "\n".join(failures),
            hint=f"mend it and bake again; reports: {recipe.folder}",
        )


def commit(repository: Path = REPOSITORY) -> str:
    """Return the checkout's commit, ``-dirty`` when it holds changes; ``unknown`` outside git."""
    command = ["git", "-C", str(repository), "describe", "--always", "--dirty", "--abbrev=12"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.stdout.strip() or "unknown"


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM clean up as Ctrl-C does: a cancelled CI job sends it."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now(), UTC)
