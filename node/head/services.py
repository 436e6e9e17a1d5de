"""What a head asks of AWS besides its lease: one call each, made in the background.

Touches SSM, S3, EC2 tags, CloudWatch and Auto Scaling.
"""

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
    """Every method may block for seconds, and raise: NotFit is final, all else is tried again."""

    @property
    def autoscaler_uri(self) -> str:
        """Return where the autoscaler's YAML on disk came from, or nothing; at once."""

    def prepare(self) -> None:
        """Fetch what Ray needs; the node is fit to lead afterwards."""

    def refresh_autoscaler(self) -> None:
        """Follow the tag that names the autoscaler's YAML; what is not fit changes nothing."""

    def refresh_secret(self) -> None:
        """Fetch the secret again, so that a rotated one heals at the next start."""

    def tag(self) -> None:
        """Make this instance the only one tagged as head."""

    def send(self, values: dict[str, float]) -> None:
        """Send metrics."""

    def complete_launch(self) -> None:
        """Tell the group that this instance is good."""


@dataclass(frozen=True)
class AwsHeadServices:
    """The services of one real head; clients are botocore's."""

    identity: Identity
    reports: Reports
    ssm: Any
    ec2: Any
    token: Path
    autoscaler: AutoscalerFile
    log: Log

    @property
    def autoscaler_uri(self) -> str:
        return self.autoscaler.uri

    def prepare(self) -> None:
        settings.fetch_token(self.ssm, self.identity, self.token)
        self.autoscaler.refresh()

    def refresh_autoscaler(self) -> None:
        self.autoscaler.refresh()

    def refresh_secret(self) -> None:
        if warning := settings.refresh_token(self.ssm, self.identity, self.token):
            self.log("secret not refreshed", level=WARNING, reason=warning)

    def tag(self) -> None:
        move_head_tags(self.ec2, self.identity)

    def send(self, values: dict[str, float]) -> None:
        self.reports.metrics(values)

    def complete_launch(self) -> None:
        if self.reports.complete_launch("CONTINUE"):
            self.log("launch completed", result="CONTINUE")
