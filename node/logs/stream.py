"""Streams of CloudWatch Logs. Writes to AWS."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from node.clients import error_code
from node.log import WARNING, Log
from node.logs.batch import Batch


class Rejected(Exception):
    """CloudWatch Logs will never accept this batch: a retry cannot help."""


@dataclass(frozen=True)
class Stream:
    """Where lines go: the foundation's template has the groups."""

    region: str
    group: str
    name: str


class CloudWatchStream:
    """A stream of CloudWatch Logs, created by the first write; ``logs`` is botocore's."""

    def __init__(self, logs: Any, stream: Stream, log: Log) -> None:
        self._logs, self._log = logs, log
        self._where = {"logGroupName": stream.group, "logStreamName": stream.name}

    def put(self, batch: Batch) -> None:
        """Send a batch once; raises Rejected, and botocore's errors, which may pass."""
        try:
            self._put(batch)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            self._create()
            self._put(batch)

    def _put(self, batch: Batch) -> None:
        try:
            answer = self._logs.put_log_events(**self._where, logEvents=batch.as_request())
        except ClientError as error:
            if error_code(error) == "InvalidParameterException":
                raise Rejected(str(error)) from error
            raise
        if rejected := answer.get("rejectedLogEventsInfo"):
            self._log("lines rejected for their age", level=WARNING, which=rejected)

    def _create(self) -> None:
        try:
            self._logs.create_log_stream(**self._where)
        except ClientError as error:
            if error_code(error) != "ResourceAlreadyExistsException":
                raise
