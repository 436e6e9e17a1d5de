"""Attest that drills have passed on a cluster of its images. Reads AWS (EC2, KMS, S3), signs there
(KMS), and changes it (S3).
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from bake.catalog import images
from bake.statements import attest_drills
from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from deploy.release.config_bucket import current_release
from deploy.release.rollout_journal import Journal, read_journals
from drills.kit.record import Run, runs


def attest(clients: Clients, environment: Environment, home: Path) -> tuple[str, ...]:
    """Sign which drills have passed since the current release is served; return a line each image.

    Raises Refused where nothing is served, and where no drill has run since or the last run of one
    has failed.
    """
    name, bucket = environment.name, environment.bucket
    release = current_release(clients, bucket, name)
    since = _served_since(read_journals(clients, bucket, name), release.id) if release else None
    if release is None or since is None:
        raise Refused(
            f"{name} serves no release whose rollout is known", hint=f"invoke deploy --env {name}"
        )
    passed = passed_since(home, name, since)
    ids = {image.ami_id for _, image in release.images}
    found = [image for image in images(clients) if image.ami_id in ids]
    for image in found:
        attest_drills(clients, environment, image, release.id, passed)
    return tuple(f"{image.ami_id}: {', '.join(sorted(passed))}" for image in found)


def passed_since(home: Path, environment: str, since: float) -> dict[str, str]:
    """Return when the last run of each drill began that ran after a moment.

    Raises Refused when there is none, or the last run of one has failed.
    """
    last = {
        drill: after[-1]
        for drill, every in runs(home).items()
        if (after := _after(every, environment, since))
    }
    failed = [f"{drill}: {run.seen}" for drill, run in last.items() if not run.held]
    if failed:
        raise Refused(
            "drills have failed on this release\n" + "\n".join(f"  {words}" for words in failed),
            hint="fix the cause and run them again: invoke drill NAME",
        )
    if not last:
        raise Refused(
            f"no drill has run on {environment} from this machine since its release is served",
            hint=f"invoke drill NAME --env {environment}",
        )
    return {drill: run.started for drill, run in last.items()}


def _after(every: Iterable[Run], environment: str, since: float) -> list[Run]:
    return [
        run
        for run in every
        if run.environment == environment
        and datetime.fromisoformat(run.started).timestamp() >= since
    ]


def _served_since(journals: Iterable[Journal], release: str) -> float | None:
    """Return when the last rollout of a release ended."""
    ended = [one.ended for one in journals if one.to_release == release and one.verdict == "done"]
    return max((moment for moment in ended if moment), default=None)
