"""Where an environment's file writes what nodes may access. Pure: no AWS."""

from collections.abc import Iterator

from common.environment import Environment
from common.nodes import Access as AskedAccess
from common.nodes import FileSystem
from deploy.release.release import Release
from deploy.release.settings import Access


def written(environment: Environment, release: Release, *keys: str) -> dict[str, str]:
    """Return each value that a release has under these keys of access, and where it is written.

    What the file does not have any more is the release's own, as before a rollback.
    """
    found: dict[str, str] = {}
    for access in _accesses(release):
        for key in keys:
            for value in _values(access, key):
                found.setdefault(value, f"release {release.id}: {key}")
    for table, asked in _tables(environment):
        for key in keys:
            for value in _values(asked, key):
                if found.get(value, "").startswith("release "):
                    found[value] = f"{table}.{key}"
    return found


def _accesses(release: Release) -> Iterator[Access]:
    yield release.settings.head_access
    yield from (group.access for group in release.settings.groups)


def _values(access: Access | AskedAccess, key: str) -> tuple[str, ...]:
    """Return the values of a key; of file systems, their ids."""
    if key == "efs":
        return tuple(one.id if isinstance(one, FileSystem) else one[0] for one in access.efs)
    found: tuple[str, ...] = getattr(access, key)
    return found


def _tables(environment: Environment) -> Iterator[tuple[str, AskedAccess]]:
    yield "nodes", environment.nodes
    yield "head", environment.head
    for name, group in environment.workers.items():
        yield f"workers.{name}", group
