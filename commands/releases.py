"""Tasks: list an environment's releases, and compare two. Reads AWS only."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors
from commands.shared import DEFAULT_ENV, ENV, JSON, clients_of, environment_at

if TYPE_CHECKING:
    from common.clients import Clients
    from deploy.release.release import Release
    from deploy.release.releases import Listed

COLUMNS = ("release", "head", "worker", "Ray", "deployed", "by", "")


@task(help={"env": ENV, "json": JSON})
def releases(c: Context, env: str = DEFAULT_ENV, json: bool = False) -> None:
    """List the releases of ENV, the current one first."""
    with plain_errors():
        environment = environment_at(env)
        from deploy.release.releases import releases as stored_releases
        from deploy.report.console import print_json, show_table

        found = stored_releases(clients_of(environment), environment)
        if json:
            print_json([one.as_json() for one in found])
        else:
            show_table(f"Releases of {env}", COLUMNS, [row(one) for one in found])


def row(one: "Listed") -> tuple[str, ...]:
    """Return a release's cells, one for each of ``COLUMNS``."""
    return (
        one.release.id,
        one.release.head.ami_id,
        ", ".join(dict.fromkeys(group.image.ami_id for group in one.release.settings.groups)),
        one.release.head.ray_version,
        one.deployed or "not completed",
        one.by,
        "current" if one.current else "",
    )


@task(
    positional=["old", "new"],
    help={"old": "a release id", "new": "the release id to compare it with", "env": ENV},
)
def diff(c: Context, old: str, new: str, env: str = DEFAULT_ENV) -> None:
    """Show the differences between two releases of ENV."""
    with plain_errors():
        environment = environment_at(env)
        from deploy.release.releases import release_named
        from deploy.report.console import console

        clients = clients_of(environment)
        one, other = (release_named(clients, environment, name) for name in (old, new))
        for words in changes(clients, environment.images_bucket, one, other):
            console.print(words, markup=False)


def changes(clients: "Clients", bucket: str, one: "Release", other: "Release") -> Iterator[str]:
    """Yield what differs between two releases, and then between the packages of their images."""
    from deploy.release.package_changes import image_changes
    from deploy.release.release import differences
    from deploy.report.readable import readable

    found = differences(one, other)
    yield from map(readable, found) if found else ("they are the same",)
    for change in image_changes(clients, bucket, one, other):
        yield from change.words
