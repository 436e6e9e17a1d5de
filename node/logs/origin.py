"""Whose logs these are, and the streams of CloudWatch Logs that they go to.

Reads node.yaml and the metadata service itself: the logs of an instance without an identity are
the most useful.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from node import contract
from node.identity import NODE_YAML, BadIdentity, metadata_service, required
from node.logs.stream import Stream

# docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html: no colon
# and no asterisk, and 512 characters.
NOT_IN_A_NAME = re.compile(r"[:*]")
LONGEST_JOB = 400


@dataclass(frozen=True)
class Origin:
    """This instance, as far as its logs need it; a node.yaml may lack the head's name."""

    environment: str
    role: str
    region: str
    instance_id: str
    head_name: str = ""

    @property
    def dashboard(self) -> str:
        """The host of the leader's dashboard; only the leader runs drivers of a head."""
        return "127.0.0.1" if self.role == contract.HEAD else self.head_name

    def journal(self) -> Stream:
        """Return the stream of the journal: a group for each role, a stream for each instance."""
        group = contract.LOG_GROUP.format(environment=self.environment, role=self.role)
        return Stream(self.region, group, self.instance_id)

    def job(self, job: str) -> Stream:
        """Return the stream of what a job prints here."""
        group = contract.JOB_LOG_GROUP.format(environment=self.environment)
        name = NOT_IN_A_NAME.sub("_", job)[:LONGEST_JOB]
        return Stream(self.region, group, f"{name}/{self.instance_id}")


def find_origin(node_yaml: Path = NODE_YAML) -> Origin:
    """Return who we are; raises BadIdentity, and NoMetadata while there is no network."""
    found = yaml.safe_load(node_yaml.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or not (
        found.get(contract.ENVIRONMENT_KEY) and found.get(contract.ROLE_KEY)
    ):
        raise BadIdentity("node.yaml names no environment and role")
    metadata = metadata_service()
    return Origin(
        environment=found[contract.ENVIRONMENT_KEY],
        role=found[contract.ROLE_KEY],
        region=required(metadata, "meta-data/placement/region"),
        instance_id=required(metadata, "meta-data/instance-id"),
        head_name=str(found.get(contract.HEAD_NAME_KEY) or ""),
    )
