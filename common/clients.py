"""Create all AWS clients: explicit region, timeouts, botocore's own retries."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials, create_assume_role_refresher
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    InvalidConfigError,
    LoginError,
    MissingDependencyException,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
    UnknownCredentialError,
)

from common.error_hints import CREDENTIALS, PERMISSIONS, hint_for
from common.errors import Denied, Refused, Unanswered

CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "max_attempts": 5},
    user_agent_extra="raykiln",
)

SETTINGS = "reading AWS's settings"
CORRECT_SETTINGS = (
    "correct the variables AWS_…, or the profile that AWS_PROFILE names in ~/.aws/config and "
    "~/.aws/credentials"
)
CLOCK_TOLERANCE = 5.0  # seconds: a Date has no fractions, and a response takes a while
# What botocore raises for a person's settings: those in ~/.aws, AWS_PROFILE and the like.
WRONG_SETTINGS = (
    *(ConfigNotFound, ConfigParseError, InvalidConfigError, MissingDependencyException),
    *(NoRegionError, PartialCredentialsError, ProfileNotFound, UnknownCredentialError),
)
# What it raises when the profile's way to credentials has none now, as after a session's end.
NO_MORE_CREDENTIALS = (
    *(CredentialRetrievalError, LoginError, RefreshWithMFAUnsupportedError),
    *(SSOError, TokenRetrievalError),
)


class Clients:
    """The clients of one region, created at first use: ``clients("ec2")``.

    ``calls`` counts the requests sent, retries included. ``ahead`` is how many seconds AWS's clock
    is ahead of this machine's, by the last response's Date, and 0 when the difference is within the
    tolerance: AWS accepts requests from clocks that are up to five minutes off
    (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html).
    """

    def __init__(self, region: str, session: boto3.session.Session | None = None) -> None:
        self.region = region
        self.calls = 0
        self.ahead = 0.0
        with _settings_translated():
            self._session = session or boto3.session.Session()
        self._made: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        """Return a service's client: the one that was made before, if there were credentials then.

        One that is made without never gets any (botocore/session.py, create_client), and those of a
        machine may be there only a moment later.
        """
        if service in self._made:
            return self._made[service]
        with _settings_translated():
            client, found = self._make(service), self._session.get_credentials()
        if found:
            self._made[service] = client
        return client

    def in_region(self, region: str) -> "Clients":
        """Return the clients of another region, with the same credentials."""
        return Clients(region, self._session)

    def as_role(self, arn: str, region: str, session_name: str) -> "Clients":
        """Return clients of a region that act as a role; its credentials are renewed in time.

        Raises Denied when the role cannot be assumed. Whoever is a role already is another one for
        an hour at most: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html (chaining).
        """
        asked = {"RoleArn": arn, "RoleSessionName": session_name}
        session = botocore.session.Session()
        session._credentials = DeferredRefreshableCredentials(
            create_assume_role_refresher(self("sts"), asked), "assume-role"
        )
        with translated(f"assuming {arn}"):
            session.get_credentials().get_frozen_credentials()
        return Clients(region, boto3.session.Session(botocore_session=session))

    def _make(self, service: str) -> Any:
        client = self._session.client(service, region_name=self.region, config=CONFIG)
        client.meta.events.register("before-send", self._count)
        client.meta.events.register("after-call", self._compare_clocks)
        return client

    def _count(self, **_: object) -> None:
        self.calls += 1

    def _compare_clocks(self, parsed: dict[str, Any], **_: object) -> None:
        date = parsed.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        if date:
            off = parsedate_to_datetime(date).timestamp() - time.time()
            self.ahead = off if abs(off) > CLOCK_TOLERANCE else 0.0


def error_code(error: ClientError) -> str:
    """Return AWS's error code, for example ``ValidationError``."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Translate botocore's errors into ours, once, at the edge; ``doing`` is what was attempted."""
    try:
        with _credentials_translated(doing):
            yield
    except ClientError as error:
        words = error.response.get("Error", {}).get("Message", "")
        hint = hint_for(error_code(error), words)
        kind = Denied if hint == PERMISSIONS else Unanswered
        raise kind(f"{doing}: AWS answered {error_code(error)}: {words}", hint=hint) from error
    except BotoCoreError as error:
        raise Unanswered(f"{doing}: {error}", hint="check the network and the region") from error


@contextmanager
def _credentials_translated(doing: str) -> Iterator[None]:
    """Translate what botocore raises before it sends a request: for settings and credentials."""
    try:
        yield
    except NoCredentialsError as error:
        raise Refused(
            f"{doing}: no AWS credentials were found",
            hint="set AWS_PROFILE or run `aws sso login`; without an account: --env local",
        ) from error
    except WRONG_SETTINGS as error:
        raise Refused(
            f"{doing}: {error}",
            hint=CORRECT_SETTINGS,
        ) from error
    except NO_MORE_CREDENTIALS as error:
        raise Unanswered(f"{doing}: {error}", hint=CREDENTIALS) from error


@contextmanager
def _settings_translated() -> Iterator[None]:
    """Translate what botocore raises while it makes a session or client: ValueError too."""
    try:
        with _credentials_translated(SETTINGS):
            yield
    except (BotoCoreError, ValueError) as error:
        raise Refused(f"{SETTINGS}: {error}", hint=CORRECT_SETTINGS) from error
