"""Which base images an environment bakes from: ``environments/NAME.lock``. Reads AWS (EC2).

A filter in the environment's file matches a newer AMI each week. The lock holds the one that was
chosen, as a lock of Python packages holds versions; ``invoke lock --env NAME`` moves it. Without a
lock, a bake takes the newest.
"""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from bake.base_image import newest_image
from common.clients import Clients
from common.environment import FOLDER, Environment
from common.errors import Refused
from common.image_settings import ImageSettings
from common.whole_file import write_files

HEADING = """\
# The base images that {name} bakes from. `invoke lock --env {name}` moves them to the newest ones.
"""


@dataclass(frozen=True, order=True)
class LockedBase:
    """A filter of an environment's file, and the AMI that it was resolved to.

    ``owner`` is the account that has the AMI; ``created`` is EC2's date, ISO 8601.
    """

    base_name: str
    base_owner: str
    architecture: str
    id: str
    name: str
    owner: str
    created: str

    @property
    def filter(self) -> tuple[str, str, str]:
        """What the AMI was chosen by."""
        return (self.base_name, self.base_owner, self.architecture)

    @property
    def words(self) -> str:
        """Return the AMI in short."""
        return f"{self.id} ({self.name}, {self.created[:10]})"


Lock = dict[tuple[str, str, str], LockedBase]


def lock_path(environment: Environment, folder: Path = FOLDER) -> Path:
    """Return where an environment's lock is, or would be."""
    return folder / f"{environment.name}.lock"


def read_lock(environment: Environment, folder: Path = FOLDER) -> Lock | None:
    """Return an environment's lock; None when it has none. Raises Refused for a broken one."""
    path = lock_path(environment, folder)
    if not path.exists():
        return None
    try:
        found = tomllib.loads(path.read_text())["base"]
        keys = [field.name for field in fields(LockedBase)]
        entries = [LockedBase(*(str(one[key]) for key in keys)) for one in found]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(
            f"{path} cannot be read: {error}",
            hint=f"restore it, or make it anew: invoke lock --env {environment.name}",
        ) from error
    return {entry.filter: entry for entry in entries}


def write_lock(lock: Lock, environment: Environment, folder: Path = FOLDER) -> Path:
    """Write an environment's lock, or delete it when there is nothing to lock; return its path.

    Raises Refused when it cannot be written.
    """
    path = lock_path(environment, folder)
    if not lock:
        path.unlink(missing_ok=True)
        return path
    tables = [_table(entry) for entry in sorted(lock.values())]
    text = HEADING.format(name=environment.name) + "\n" + "\n".join(tables)
    write_files({path: text}, hint="make it a file that can be written")
    return path


def _table(entry: LockedBase) -> str:
    """Return an entry in TOML, whose strings are written as JSON's are."""
    lines = (f"{key} = {json.dumps(value)}\n" for key, value in asdict(entry).items())
    return "[[base]]\n" + "".join(lines)


def newest_lock(clients: Clients, environment: Environment) -> Lock:
    """Return the lock with the newest AMI of each filter in an environment's file.

    Empty where every image's base is given by its id. Raises Refused for a filter without a match.
    """
    found: Lock = {}
    for place, settings in _filtered(environment):
        image = newest_image(clients, settings, place)
        entry = LockedBase(
            *filter_of(settings),
            id=image.ami_id,
            name=image.name,
            owner=image.owner,
            created=image.created,
        )
        found[entry.filter] = entry
    return found


def moves(old: Lock | None, new: Lock) -> Iterator[str]:
    """Yield what a new lock moves, a line each."""
    before = old or {}
    for key in sorted(before.keys() | new.keys()):
        was, becomes = before.get(key), new.get(key)
        what = f"{key[0]} of {key[1]}, {key[2]}"
        if was is None and becomes:
            yield f"+ {what}: {becomes.words}"
        elif was and becomes is None:
            yield f"- {what}: {was.words}"
        elif was and becomes and was != becomes:
            yield f"~ {what}: {was.words} → {becomes.words}"


def locked(lock: Lock | None, settings: ImageSettings, environment: str) -> LockedBase | None:
    """Return what a lock has for an image; None without a lock, and for a base given by its id.

    Raises Refused when the lock has not that filter.
    """
    if lock is None or settings.base_id:
        return None
    if entry := lock.get(filter_of(settings)):
        return entry
    raise Refused(
        f"{environment}.lock has no base image for {settings.base_name!r} of "
        f"{settings.base_owner}, {settings.architecture}",
        hint=f"invoke lock --env {environment}",
    )


def filter_of(settings: ImageSettings) -> tuple[str, str, str]:
    """Return what an image's base is chosen by."""
    return (settings.base_name, settings.base_owner, settings.architecture)


def _filtered(environment: Environment) -> Iterator[tuple[str, ImageSettings]]:
    for name in sorted({name for _, name in environment.wanted_images}):
        settings = environment.image_named(name)
        if settings.base_name:
            yield (f"images.{name}" if name else "image"), settings
