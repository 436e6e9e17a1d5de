"""What a head needs from AWS besides its lease: one call each, made in the background.

Touches SSM, S3, EC2 tags, CloudWatch and Auto Scaling.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from node.head.autoscaler_file import AutoscalerFile
from node.head.tags import move_head_tags
from node.identity import Identity
from node.log import WARNING, Log
from node.ray import token as settings
from node.reports import Reports


class HeadServices(Protocol):
    """Every method may block for seconds, and raise: NotFit is final, anything else is retried."""

    @property
    def autoscaler_uri(self) -> str:
        """Return the URI of the autoscaler's YAML on disk, or nothing; does not block."""

    @property
    def autoscaler_refused(self) -> str:
        """Return the URI of the YAML that this head should use and cannot, and why; or nothing."""

    def prepare(self) -> None:
        """Fetch what Ray needs; this head can lead afterwards."""

    def refresh_autoscaler(self) -> None:
        """Fetch the autoscaler's YAML that the tag names; one that Ray cannot use is ignored."""

    def refresh_secret(self) -> None:
        """Fetch the secrets again, so that Ray starts with rotated ones."""

    def tag(self) -> None:
        """Make this instance the only one tagged as head."""

    def send(self, values: dict[str, float]) -> None:
        """Send metrics."""

    def complete_launch(self) -> None:
        """Tell the group that this instance can go into service."""


@dataclass(frozen=True)
class AwsHeadServices:
    """The services of one real head; clients are botocore's."""

    identity: Identity
    reports: Reports
    ssm: Any
    ec2: Any
    token: Path
    redis_password: Path
    autoscaler: AutoscalerFile
    log: Log

    @property
    def autoscaler_uri(self) -> str:
        return self.autoscaler.uri

    @property
    def autoscaler_refused(self) -> str:
        return self.autoscaler.refused

    def prepare(self) -> None:
        for name, path in self._secrets:
            settings.fetch_secret(self.ssm, name, path)
        self.autoscaler.refresh()

    def refresh_autoscaler(self) -> None:
        self.autoscaler.refresh()

    def refresh_secret(self) -> None:
        for name, path in self._secrets:
            if warning := settings.refresh_secret(self.ssm, name, path):
                self.log("secret not refreshed", level=WARNING, reason=warning)

    def tag(self) -> None:
        move_head_tags(self.ec2, self.identity)

    def send(self, values: dict[str, float]) -> None:
        self.reports.metrics(values)

    def complete_launch(self) -> None:
        if self.reports.complete_launch("CONTINUE"):
            self.log("launch completed", result="CONTINUE")

    @property
    def _secrets(self) -> Iterator[tuple[str, Path]]:
        """Yield the parameters that Ray needs here, each with the file that it is read from."""
        yield self.identity.secret, self.token
        if self.identity.redis:
            yield self.identity.state_secret, self.redis_password
