"""Delete a pipeline: stop what writes, empty the bucket, delete the stack. Touches AWS.

A run that was killed anywhere is continued by the next one. With ``keep_data`` the bucket stays,
and gets the content of the tables below ``export/`` first; everything else goes.
"""

import gzip
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from common.clients import Clients, translated
from common.environment import Environment
from common.errors import PipelineError
from common.progress import Progress
from common.waiting import Clock
from deploy.documents.contents import contents_of
from deploy.documents.pause import change_pause
from deploy.foundation.stack import Stack, find_stack
from deploy.foundation.stack_changes import remove_stack, settled_stack
from deploy.release.config_bucket import remove_documents
from documents.control.items import from_item

EXPORT = "export/"
TABLES = ("ControlTableName", "AuditTableName", "MetricsTableName")
BUCKET = "S3BucketName"
# The bucket's logical ids in the template.
KEPT = ("Bucket", "BucketPolicy")


@dataclass(frozen=True)
class Destruction:
    """The deletion of an environment's pipeline."""

    environment: Environment
    clients: Clients
    clock: Clock
    keep_data: bool = False

    def words(self) -> tuple[str, ...]:
        """Return a line for each thing that would be deleted, or would stay."""
        stack = self._stack()
        if stack is None:
            return ()
        complete = all(name in stack.outputs for name in (*TABLES, BUCKET))
        lost = contents_of(self.clients, stack.outputs).words if complete else ()
        stays = f"s3://{self.environment.documents_bucket} stays, with the tables in {EXPORT}"
        return (
            f"delete the stack {stack.name} ({stack.status}), and for good:",
            *(f"  {words}" for words in lost if not (self.keep_data and "bucket" in words)),
            *((stays,) if self.keep_data else ()),
        )

    def exists(self) -> bool:
        """Say whether there is a stack."""
        return self._stack() is not None

    def run(self, progress: Progress) -> None:
        """Delete everything; raises PipelineError naming what could not be deleted."""
        stack = self._settled(progress)
        if stack is None:
            return
        # Once its deletion has begun, nothing writes any more, and the tables were exported. That
        # it is paused says neither: what paused it may have been killed before all had stopped.
        if stack.is_usable:
            change_pause(self.clients, self.environment, True, clock=self.clock, progress=progress)
            if self.keep_data:
                self._export(stack.outputs, progress)
        if not self.keep_data:
            progress.begin(f"empty s3://{self.environment.documents_bucket}")
            count = remove_documents(self.clients, self.environment.documents_bucket)
            progress.end(f"{count} versions")
        progress.begin(f"delete the stack {stack.name}")
        self._delete(stack, progress)
        progress.end("deleted")

    def _settled(self, progress: Progress) -> Stack | None:
        """Return the stack once what a killed run had begun is over: it may run only then."""
        stack = self._stack()
        if not (stack and stack.in_progress):
            return stack
        progress.begin(f"wait for the stack {stack.name} ({stack.status})")
        left = settled_stack(self.clients, stack.name, clock=self.clock, progress=progress.say)
        progress.end(left.status if left else "deleted")
        return left

    def _delete(self, stack: Stack, progress: Progress) -> None:
        try:
            remove_stack(self.clients, stack.name, clock=self.clock, progress=progress.say)
        except PipelineError:
            left = self._stack()
            if not (self.keep_data and left and left.status == "DELETE_FAILED"):
                raise
            # CloudFormation keeps only what it has failed to delete, as a bucket with objects.
            with translated(f"deleting the stack {stack.name} without its bucket"):
                self.clients("cloudformation").delete_stack(
                    StackName=left.id, RetainResources=self._left(left)
                )
            remove_stack(self.clients, stack.name, clock=self.clock, progress=progress.say)

    def _left(self, stack: Stack) -> list[str]:
        """Return the resources to retain: those of the bucket that could not be deleted."""
        pages = self.clients("cloudformation").get_paginator("list_stack_resources")
        found = [
            one
            for page in pages.paginate(StackName=stack.id)
            for one in page["StackResourceSummaries"]
        ]
        return [
            one["LogicalResourceId"]
            for one in found
            if one["ResourceStatus"] == "DELETE_FAILED" and one["LogicalResourceId"] in KEPT
        ]

    def _export(self, outputs: Mapping[str, str], progress: Progress) -> None:
        """Write each table's items as JSON, one a line, into the bucket."""
        progress.begin(f"export the tables to s3://{outputs[BUCKET]}/{EXPORT}")
        total = 0
        for name in TABLES:
            with tempfile.TemporaryFile() as file:
                with gzip.open(file, "wt", encoding="utf-8") as lines:
                    for item in self._items(outputs[name]):
                        total += 1
                        lines.write(json.dumps(item, default=str) + "\n")
                        if total % 1000 == 0:
                            progress.say(f"{total} items")
                file.seek(0)
                key = f"{EXPORT}{outputs[name]}.jsonl.gz"
                with translated(f"writing s3://{outputs[BUCKET]}/{key}"):
                    self.clients("s3").upload_fileobj(file, outputs[BUCKET], key)
        progress.end(f"{total} items")

    def _items(self, table: str) -> Iterator[dict[str, Any]]:
        with translated(f"reading {table}"):
            pages = self.clients("dynamodb").get_paginator("scan")
            for page in pages.paginate(TableName=table, ConsistentRead=True):
                yield from map(from_item, page["Items"])

    def _stack(self) -> Stack | None:
        return find_stack(self.clients, self.environment.documents_stack)
