"""The stored releases of an environment, and when each was deployed. Reads AWS (S3)."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from deploy.release.config_bucket import current_release, find_release, stored_keys
from deploy.release.release import Release
from deploy.release.rollout_journal import Journal, previous_release_id, read_journals


@dataclass(frozen=True)
class Listed:
    """A release, and when it was last deployed as text; empty when no deploy of it succeeded."""

    release: Release
    deployed: str
    by: str
    current: bool

    def as_json(self) -> dict[str, Any]:
        """Return the release and its deployment as plain data."""
        facts = {"id": self.release.id, "deployed": self.deployed, "by": self.by}
        return {**facts, "current": self.current, **json.loads(self.release.to_json())}


def releases(clients: Clients, environment: Environment) -> tuple[Listed, ...]:
    """Return every stored release: the current one first, then the latest deployed."""
    current = current_release(clients, environment.bucket, environment.name)
    journals = read_journals(clients, environment.bucket, environment.name)
    folder = f"{environment.name}/releases"
    names = [
        key.removeprefix(f"{folder}/").removesuffix(".json")
        for key in stored_keys(clients, environment.bucket, folder)
        if not key.endswith("/current.json")
    ]
    listed = [_listed(clients, environment, name, journals, current) for name in names]
    return tuple(sorted(listed, key=lambda one: (one.current, one.deployed), reverse=True))


def release_named(clients: Clients, environment: Environment, name: str) -> Release:
    """Return the stored release of that id; raises Refused when there is none."""
    found = find_release(clients, environment.bucket, environment.name, name)
    if found is None:
        raise Refused(
            f"{environment.name} has no release {name!r}",
            hint=f"`invoke releases --env {environment.name}` lists them",
        )
    return found


def previous_release_of(clients: Clients, environment: Environment) -> Release:
    """Return the previous release; raises Refused when there is none."""
    current = current_release(clients, environment.bucket, environment.name)
    journals = read_journals(clients, environment.bucket, environment.name)
    name = previous_release_id(journals, current.id) if current else None
    if name is None:
        raise Refused(
            f"{environment.name} has no previous release",
            hint=f"`invoke releases --env {environment.name}` lists the releases; "
            "choose one with --to",
        )
    return release_named(clients, environment, name)


def _listed(
    clients: Clients,
    environment: Environment,
    name: str,
    journals: tuple[Journal, ...],
    current: Release | None,
) -> Listed:
    done = next((j for j in journals if j.to_release == name and j.verdict == "done"), None)
    when = f"{datetime.fromtimestamp(done.began, UTC):%Y-%m-%d %H:%M} UTC" if done else ""
    return Listed(
        release_named(clients, environment, name),
        when,
        done.actor if done else "",
        current is not None and current.id == name,
    )
