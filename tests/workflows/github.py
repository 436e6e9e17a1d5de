"""GitHub's part of a job that act does not have: its environment, its turn, its token.

``python -m tests.workflows.github FOLDER begin|end|assume|keep`` is called by steps of the job
(``hosted`` adds the first two, the stand-ins of actions have the others). What a person sets and
does on GitHub's pages is in the folder: environments with their variables and reviewers, approvals.

A job waits for its turn in its concurrency group, and then, with the turn, for the reviewers of its
environment (https://github.com/orgs/community/discussions/17401). Of those that wait in a group a
new one cancels all others, unless it has ``queue: max``: then up to 100 wait, the first first
(https://docs.github.com/en/actions/how-tos/write-workflows/choose-when-workflows-run/
control-workflow-concurrency, which does not say what holds where jobs of a group differ in that).
Its token names repository and environment, the former with ids where these are set
(https://docs.github.com/en/actions/reference/security/oidc); only a job with ``id-token: write``
gets one.
"""

import fcntl
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from common.errors import PipelineError, Refused
from common.waiting import Seen, SystemClock, wait_for
from tests.workflows.issuer import Issuer

WAITS = 1500.0  # seconds, for a person and for a turn
SINGLE, MAX = "single", "max"  # of `queue`
MOST = 100  # that wait in a group with `queue: max`
BEGIN, END, ASSUME, KEEP = "begin", "end", "assume", "keep"


@dataclass(frozen=True)
class HostedEnvironment:
    """What is set for an environment: its variables, and whether a person must approve."""

    variables: dict[str, str]
    reviewed: bool = False


class GitHub:
    """A repository's settings, approvals, turns and tokens, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.issuer = Issuer(folder / "key.pem")
        for name in ("environments", "approved", "turns", "tokens", "artifacts"):
            (folder / name).mkdir(exist_ok=True)

    def set_environment(self, name: str, settings: HostedEnvironment) -> None:
        """Set an environment's variables and its rule."""
        self._file("environments", name).write_text(json.dumps(asdict(settings)))

    def environment(self, name: str) -> HostedEnvironment:
        """Return an environment; what is not set has nothing in it."""
        file = self._file("environments", name)
        if not file.is_file():
            return HostedEnvironment({})
        return HostedEnvironment(**json.loads(file.read_text()))

    def set_ids(self, owner: int, repository: int) -> None:
        """Name the repository with these ids from now on, as GitHub does all new ones."""
        (self.folder / "ids").write_text(json.dumps([owner, repository]))

    def name_in_tokens(self, repository: str) -> str:
        """Return what OWNER/NAME is called in tokens."""
        file = self.folder / "ids"
        if not file.is_file():
            return repository
        parts = zip(repository.split("/"), json.loads(file.read_text()), strict=True)
        return "/".join(f"{name}@{number}" for name, number in parts)

    def approve(self, run: str, environment: str) -> None:
        """Let the jobs of a run go to an environment, as a reviewer does."""
        self._file("approved", f"{run} {environment}").touch()

    def await_approval(self, run: str, environment: str) -> None:
        """Wait until a reviewer has approved."""
        file = self._file("approved", f"{run} {environment}")
        self._await(f"{run} waits for an approval of {environment}", file.exists)

    def take_turn(self, run: str, group: str, queue: str = SINGLE) -> None:
        """Wait until a run has the turn of the concurrency group; raises Refused when cancelled."""

        def has_it() -> bool:
            with self._group(group) as jobs:
                if run not in jobs:
                    raise Refused(f"cancelled: a newer request waits for {group!r}")
                return jobs[0] == run

        with self._group(group) as jobs:
            if queue == SINGLE:
                for other in jobs[1:]:
                    self.note(f"{other} is cancelled in {group}")
                del jobs[1:]
            if len(jobs) > MOST:
                raise Refused(f"cancelled: {MOST} requests wait for {group!r}")
            jobs.append(run)
        self._await(f"{run} waits for its turn in {group}", has_it)
        self.note(f"{run} has its turn in {group}")

    def end_turn(self, run: str, group: str) -> None:
        """Let the next of the group run; a run that still waits waits no more."""
        with self._group(group) as jobs:
            if run in jobs:
                if jobs[0] == run:
                    self.note(f"{run} ends its turn in {group}")
                jobs.remove(run)

    @contextmanager
    def _group(self, name: str) -> Iterator[list[str]]:
        """Yield the runs of a concurrency group, that which has the turn first; keep what changes.

        Case does not matter in its name.
        """
        with self._file("turns", name.casefold()).open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            before = file.read().splitlines()
            jobs = list(before)
            yield jobs
            if jobs != before:
                file.truncate(0)
                file.write("".join(f"{job}\n" for job in jobs))

    def note(self, words: str) -> None:
        """Write down what happens, in its order."""
        with (self.folder / "events").open("a") as events:
            events.write(f"{words}\n")

    def events(self) -> list[str]:
        """Return what has happened."""
        file = self.folder / "events"
        return file.read_text().splitlines() if file.exists() else []

    def grant_token(self, claims: dict[str, str]) -> str:
        """Return what a job asks for its token with."""
        request = secrets.token_hex(8)
        self._file("tokens", request).write_text(json.dumps(claims))
        return request

    def token(self, request: str, audience: str) -> str:
        """Return a token of the job that asks."""
        claims = json.loads(self._file("tokens", request).read_text())
        return self.issuer.token(aud=audience, **claims)

    def _await(self, what: str, holds: Callable[[], bool]) -> None:
        said = False

        def look() -> Seen[bool]:
            nonlocal said
            if holds():
                return Seen(True, "yes")
            if not said:
                print(what, flush=True)
                self.note(what)
            said = True
            return Seen(None, "not yet")

        wait_for(what, look, clock=SystemClock(), seconds=WAITS, every=0.2)

    def _file(self, kind: str, name: str) -> Path:
        return self.folder / kind / quote(name, safe="")


def begin(github: GitHub) -> None:
    """Let the job begin: with its environment's variables as outputs, and a token to ask for."""
    run, environment = os.environ["HOSTED_RUN"], os.environ["JOB_ENVIRONMENT"]
    settings = github.environment(environment)
    if group := os.environ["JOB_GROUP"]:
        github.take_turn(run, group, os.environ["JOB_QUEUE"])
    if settings.reviewed:
        github.await_approval(run, environment)
    if settings.variables:
        append("GITHUB_OUTPUT", settings.variables)
    if os.environ["JOB_MAY_ASK"]:
        repository = os.environ["GITHUB_REPOSITORY"]
        context = f"environment:{environment}" if environment else f"ref:{os.environ['GITHUB_REF']}"
        subject = f"repo:{github.name_in_tokens(repository)}:{context}"
        claims = {"sub": subject, "repository": repository}
        append("GITHUB_ENV", {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": github.grant_token(claims)})


def end(github: GitHub) -> None:
    """Let the next job of the group begin."""
    if group := os.environ["JOB_GROUP"]:
        github.end_turn(os.environ["HOSTED_RUN"], group)


def assume(github: GitHub) -> None:
    """Give the job's later steps the credentials of a role; raises Refused.

    STS names no reason beside its own.
    """
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import ClientError

    role, region = os.environ["ROLE"], os.environ["REGION"]
    request = os.environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
    if not (role and region and request):
        raise Refused(
            "Credentials could not be loaded",
            hint="set role and region of the environment, and the permission id-token",
        )
    sts = boto3.client("sts", region, config=Config(signature_version=UNSIGNED))
    try:
        made = sts.assume_role_with_web_identity(
            RoleArn=role,
            RoleSessionName="GitHubActions",
            WebIdentityToken=github.token(request, os.environ["AUDIENCE"]),
            DurationSeconds=int(os.environ["SECONDS_LONG"]),
        )["Credentials"]
    except ClientError as error:
        words = error.response["Error"]["Message"]
        raise Refused(f"Could not assume role with OIDC: {words}") from error
    print(f"::add-mask::{made['SecretAccessKey']}\n::add-mask::{made['SessionToken']}", flush=True)
    append(
        "GITHUB_ENV",
        {
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
            "AWS_SESSION_TOKEN": made["SessionToken"],
        },
    )


def keep(github: GitHub) -> None:
    """Keep files of the workspace as an artifact."""
    kept = Path(os.environ["KEPT"])
    hidden = any(part.startswith(".") for part in kept.parts)
    if kept.exists() and (os.environ["HIDDEN"] == "true" or not hidden):
        into = github.folder / "artifacts" / os.environ["HOSTED_RUN"] / os.environ["NAME"]
        shutil.copytree(kept, into)
    elif os.environ["MISSING"] == "error":
        raise Refused(f"No files were found at {kept}")


def append(file: str, values: dict[str, str]) -> None:
    """Tell the later steps: GITHUB_ENV and GITHUB_OUTPUT name the files for that."""
    with Path(os.environ[file]).open("a") as lines:
        lines.writelines(f"{name}={value}\n" for name, value in values.items())


def main(folder: str, what: str) -> int:
    """Do GitHub's part of a step."""
    parts = {BEGIN: begin, END: end, ASSUME: assume, KEEP: keep}
    try:
        parts[what](GitHub(Path(folder)))
    except PipelineError as error:
        print(f"::error::{error}", flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
