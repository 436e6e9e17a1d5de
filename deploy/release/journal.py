"""What a rollout did, for whoever comes after it: one document a rollout. Touches AWS (S3).

``s3://BUCKET/ENV/rollouts/ID.json`` is written again after every step, so that a rollout which was
killed leaves what it had done; one that still says "running" while nobody holds the deploy lock
(deploy.rollout.lock) was killed. An ID begins with the time, so keys sort by age.
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

Verdict = Literal["running", "done", "failed", "rolled back"]
VERDICTS = frozenset(get_args(Verdict))
NEWEST = 50  # journals that are read


@dataclass(frozen=True)
class Entry:
    """A step that was taken: ``kind`` as in deploy.plan.steps, ``began`` as Unix time.

    The outcome of one that failed begins with "failed".
    """

    what: str
    kind: str
    began: float
    seconds: float
    outcome: str

    @property
    def ended(self) -> float:
        """When it was over, in seconds since the epoch."""
        return self.began + self.seconds

    @property
    def failed(self) -> bool:
        """It did not do what it should."""
        return self.outcome.startswith("failed")


@dataclass(frozen=True)
class Journal:
    """A rollout from one release to another; ``kind`` is what was asked for, as "deploy".

    ``from_release`` is empty when nothing was served before; ``ended`` is None while it runs;
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
    verdict: Verdict
    reason: str
    plan: tuple[str, ...]
    entries: tuple[Entry, ...]

    def noted(self, entry: Entry) -> "Journal":
        """Return it with one more step."""
        return replace(self, entries=(*self.entries, entry))

    def closed(self, verdict: Verdict, now: float, reason: str = "") -> "Journal":
        """Return it as it ended."""
        return replace(self, verdict=verdict, ended=now, reason=reason)

    def to_json(self) -> str:
        """Return the text that is stored."""
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
    """Return the journal of a rollout that begins now, with who runs it."""
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
    """Read back what ``to_json`` wrote; raises ValueError, TypeError or KeyError otherwise."""
    found = json.loads(text)
    if not isinstance(found, dict) or found.get("verdict") not in VERDICTS:
        raise ValueError("no journal")
    more: dict[str, Any] = {
        "plan": tuple(map(str, found["plan"])),
        "entries": tuple(Entry(**entry) for entry in found["entries"]),
        "verdict": cast(Verdict, found["verdict"]),
    }
    return Journal(**found | more)


def write_journal(clients: Clients, bucket: str, journal: Journal) -> bool:
    """Store the journal as it is now; False when there is no bucket yet to hold it."""
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
    """Return the journals, newest first; what cannot be read as one is left out."""
    keys = sorted(stored_keys(clients, bucket, _folder(environment)), reverse=True)[:newest]
    texts = [read_object(clients, bucket, key) for key in keys]
    return tuple(journal for text in texts for journal in _readable(text))


def newest_journal(
    clients: Clients, bucket: str, environment: str, keys: Iterable[str]
) -> Journal | None:
    """Return the newest of those among the keys, in one call; None when there is none to read."""
    folder = _folder(environment)
    newest = max((key for key in keys if key.startswith(f"{folder}/")), default=None)
    if newest is None:
        return None
    return next(iter(_readable(read_object(clients, bucket, newest))), None)


def latest_unfinished(journals: Iterable[Journal]) -> Journal | None:
    """Return the newest journal (they come newest first) if it never said how it ended."""
    newest = next(iter(journals), None)
    return newest if newest and newest.verdict == "running" else None


def previous_release(journals: Iterable[Journal], current_id: str) -> str | None:
    """Return the release that was served before the current one; None when none is known.

    Journals come newest first. Those that finished say what was served: one that is done, its
    ``to_release``; one that was rolled back, its ``from_release`` again.
    """
    served = _served(reversed(tuple(journals)))
    while served and served[-1] != current_id and current_id in served:
        served.pop()  # what came after it, and is not known to have gone
    earlier = [release for release in served if release != current_id]
    return earlier[-1] if earlier else None


def _served(oldest_first: Iterable[Journal]) -> list[str]:
    """Return what was served, one after the other, without repetitions."""
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
    """Return the journal; nothing for one that was removed a moment ago or is not to be read."""
    if text is None:
        return ()
    try:
        return (journal_from(text.decode()),)
    except (ValueError, TypeError, KeyError):
        return ()
