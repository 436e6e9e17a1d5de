"""From an environment to verified images: digest, Packer, image tests, catalog. Changes AWS (EC2).

A role whose verified image has the digest wanted is not baked again.
"""

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bake.base_image import BaseImage, resolve_base_image
from bake.build import Recipe, build_images
from bake.catalog import Image, find_verified, harden, image_by_id, images, mark_verified
from bake.digest import Ingredients, image_digest
from bake.files import LOCK, REPOSITORY, ROLES, copy_shaping_files
from bake.image_tests import Outcome, check_images
from bake.leftovers import find_leftovers, remove_leftovers
from bake.lock import Target, pins, ray_version
from bake.owner import this_process
from bake.subnet import resolve_subnet
from bake.wheelhouse import check_wheels, fetch_wheelhouse
from deploy.clients import Clients
from deploy.environment import Environment
from deploy.errors import PipelineError
from deploy.waiting import Clock, SystemClock

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What a bake would do: the images that are there, and the digests of those to make."""

    base: BaseImage
    present: dict[str, Image]
    missing: dict[str, str]


@dataclass(frozen=True)
class Baked:
    """What a bake did: an image for each role asked for, and which of them are new."""

    images: tuple[Image, ...]
    new: tuple[str, ...]
    folder: Path | None


def plan_bake(
    clients: Clients, environment: Environment, roles: tuple[str, ...] = ROLES, force: bool = False
) -> Plan:
    """Look what there is and what is missing; with ``force`` all is missing. Reads only."""
    base = resolve_base_image(clients, environment.image)
    ingredients = Ingredients.of(environment.image, base.ami_id)
    digests = {role: image_digest(role, ingredients) for role in roles}
    catalog = () if force else images(clients)
    found = {role: find_verified(catalog, role, digest) for role, digest in digests.items()}
    return Plan(
        base,
        {role: image for role, image in found.items() if image},
        {role: digests[role] for role, image in found.items() if not image},
    )


def bake(
    clients: Clients,
    environment: Environment,
    *,
    home: Path,
    cache: Path,
    roles: tuple[str, ...] = ROLES,
    force: bool = False,
    progress: Progress = lambda words: None,
    clock: Clock | None = None,
) -> Baked:
    """Make sure that there is a verified image for each role, and return them.

    Files of the bake (Packer's log, software reports, test reports) go to a folder under ``home``;
    wheels come from ``cache``. Raises PipelineError when a build or a test fails; what it started
    is ended then, and an image that failed its tests stays, unverified.
    """
    plan = plan_bake(clients, environment, roles, force)
    if not plan.missing:
        return Baked(tuple(plan.present[role] for role in roles), (), None)
    clock = clock or SystemClock()
    with interruptible():
        remove_leftovers(clients, find_leftovers(clients, _now(clock)), clock, progress)
        recipe = _recipe(clients, environment, plan, home, cache, clock, progress)
        ami_ids = build_images(clients, recipe, progress)
        for ami_id in ami_ids.values():
            harden(clients, ami_id, _now(clock))
        _judge(clients, check_images(clients, recipe, ami_ids, clock, progress), recipe, clock)
    made = {role: image_by_id(clients, ami_id) for role, ami_id in ami_ids.items()}
    have = {**plan.present, **made}
    new = tuple(role for role in roles if role in made)
    return Baked(tuple(have[role] for role in roles), new, recipe.folder)


def _recipe(
    clients: Clients,
    environment: Environment,
    plan: Plan,
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
    ingredients = Ingredients.of(environment.image, plan.base.ami_id)
    return Recipe(
        environment=environment,
        base=plan.base,
        subnet=resolve_subnet(clients, environment.image),
        source=source,
        digests={role: image_digest(role, ingredients, source) for role in plan.missing},
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
            mark_verified(clients, outcome.ami_id, _now(clock))
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
