"""The rollout journal: one document for each rollout that says what it did. Touches AWS (S3).

``s3://BUCKET/ENV/rollouts/ID.json`` is written again after every step, so that a killed rollout
leaves a record of what it did; one that says "running" while the deploy lock (deploy.rollout.lock)
is free was killed. An ID begins with the time, so keys sort by age.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from botocore.exceptions import ClientError

from common.actor import actor
from common.clients import Clients, error_code, translated
from deploy.release.config_bucket import MISSING, read_object, stored_keys

RolloutStatus = Literal["running", "done", "failed", "rolled back"]
STATUSES = frozenset(get_args(RolloutStatus))
NEWEST = 50  # how many journals are read


@dataclass(frozen=True)
class Entry:
    """A completed step: ``kind`` as in deploy.plan.steps, ``began`` as Unix time.

    The outcome of a failed step begins with "failed".
    """

    what: str
    kind: str
    began: float
    seconds: float
    outcome: str

    @property
    def ended(self) -> float:
        """When it ended, in seconds since the epoch."""
        return self.began + self.seconds

    @property
    def failed(self) -> bool:
        """It failed."""
        return self.outcome.startswith("failed")


@dataclass(frozen=True)
class Journal:
    """A rollout from one release to another; ``kind`` is the command, such as "deploy".

    ``from_release`` is empty when there was no release before; ``ended`` is None while it runs;
    ``reason`` says why it failed or was rolled back. Times are in seconds since the epoch.
    """

    id: str
    environment: str
    kind: str
    from_release: str
    to_release: str
    actor: str
    began: float
    ended: float | None
    verdict: RolloutStatus
    reason: str
    plan: tuple[str, ...]
    entries: tuple[Entry, ...]

    def noted(self, entry: Entry) -> "Journal":
        """Return it with the entry added."""
        return replace(self, entries=(*self.entries, entry))

    def closed(self, verdict: RolloutStatus, now: float, reason: str = "") -> "Journal":
        """Return it with its end."""
        return replace(self, verdict=verdict, ended=now, reason=reason)

    def to_json(self) -> str:
        """Return the text to store."""
        return json.dumps(asdict(self), indent=2)


def begin_journal(
    environment: str,
    kind: str,
    *,
    from_release: str,
    to_release: str,
    plan: Iterable[str],
    now: float,
) -> Journal:
    """Return the journal of a rollout that begins now, run by the current actor."""
    return Journal(
        id=journal_id(now, to_release),
        environment=environment,
        kind=kind,
        from_release=from_release,
        to_release=to_release,
        actor=actor(),
        began=now,
        ended=None,
        verdict="running",
        reason="",
        plan=tuple(plan),
        entries=(),
    )


def journal_id(now: float, release: str) -> str:
    """Return the UTC time and the release's first 8 digits: ``20261122T062135Z-0a1b2c3d``."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{release[:8]}"


def journal_from(text: str) -> Journal:
    """Parse the text that ``to_json`` wrote; raises ValueError, TypeError or KeyError otherwise."""
    found = json.loads(text)
    if not isinstance(found, dict) or found.get("verdict") not in STATUSES:
        raise ValueError("not a rollout journal")
    more: dict[str, Any] = {
        "plan": tuple(map(str, found["plan"])),
        "entries": tuple(Entry(**entry) for entry in found["entries"]),
        "verdict": cast(RolloutStatus, found["verdict"]),
    }
    return Journal(**found | more)


def write_journal(clients: Clients, bucket: str, journal: Journal) -> bool:
    """Store the journal; False when the bucket does not exist yet."""
    key = f"{_folder(journal.environment)}/{journal.id}.json"
    with translated(f"writing s3://{bucket}/{key}"):
        try:
            clients("s3").put_object(Bucket=bucket, Key=key, Body=journal.to_json().encode())
        except ClientError as error:
            if error_code(error) in MISSING:
                return False
            raise
    return True


def read_journals(
    clients: Clients, bucket: str, environment: str, newest: int = NEWEST
) -> tuple[Journal, ...]:
    """Return the journals, newest first; unreadable documents are left out."""
    keys = sorted(stored_keys(clients, bucket, _folder(environment)), reverse=True)[:newest]
    texts = [read_object(clients, bucket, key) for key in keys]
    return tuple(journal for text in texts for journal in _readable(text))


def newest_journal(
    clients: Clients, bucket: str, environment: str, keys: Iterable[str]
) -> Journal | None:
    """Return the newest journal among the keys, in one call; None when none can be read."""
    folder = _folder(environment)
    newest = max((key for key in keys if key.startswith(f"{folder}/")), default=None)
    if newest is None:
        return None
    return next(iter(_readable(read_object(clients, bucket, newest))), None)


def latest_unfinished(journals: Iterable[Journal]) -> Journal | None:
    """Return the newest journal (they come newest first) if its rollout never ended."""
    newest = next(iter(journals), None)
    return newest if newest and newest.verdict == "running" else None


def previous_release_id(journals: Iterable[Journal], current_id: str) -> str | None:
    """Return the previous release; None when none is known.

    Journals come newest first. Those that finished say what was served: "done" its
    ``to_release``, "rolled back" its ``from_release`` again.
    """
    served = _served(reversed(tuple(journals)))
    while served and served[-1] != current_id and current_id in served:
        served.pop()  # served after the current one, as far as is known
    earlier = [release for release in served if release != current_id]
    return earlier[-1] if earlier else None


def _served(oldest_first: Iterable[Journal]) -> list[str]:
    """Return the releases that were served, in order, without repetitions."""
    found: list[str] = []
    for journal in oldest_first:
        if journal.verdict not in ("done", "rolled back"):
            continue
        stages = [journal.from_release]
        stages += [journal.to_release] if journal.verdict == "done" else []
        for release in stages:
            if release and found[-1:] != [release]:
                found.append(release)
    return found


def _folder(environment: str) -> str:
    return f"{environment}/rollouts"


def _readable(text: bytes | None) -> tuple[Journal, ...]:
    """Return the journal; nothing when it was just deleted or cannot be read."""
    if text is None:
        return ()
    try:
        return (journal_from(text.decode()),)
    except (ValueError, TypeError, KeyError):
        return ()
