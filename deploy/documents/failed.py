"""What failed, and bringing it back. Touches the control table, S3 and the queue."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.clients import Clients, translated
from common.errors import Refused
from deploy.documents.pipeline import Pipeline, plainly
from deploy.documents.upload import Sent
from documents.control.claims import FAILED
from documents.identity import object_of
from documents.sweep import retry


@dataclass(frozen=True)
class Failed:
    """A document that failed, and why."""

    name: str
    reason: str
    at: str


def failed_documents(pipeline: Pipeline, clients: Clients) -> list[Failed]:
    """Return what failed, oldest first."""
    with plainly("listing what failed"):
        return [
            Failed(object_of(one["id"]).name, one.get("reason", ""), one["updated_at"])
            for one in pipeline.access(clients).listing.with_status(FAILED)
        ]


def bring_back(
    pipeline: Pipeline, clients: Clients, failed: Sequence[Failed], name: str = ""
) -> list[Sent]:
    """Move what failed back to ``input/``, all of it or one document; return the new versions.

    Raises Refused when no document of this name has failed.
    """
    if name and name not in [one.name for one in failed]:
        raise Refused(f"no document {name} has failed", hint="invoke documents.retry lists them")
    with translated("asking who calls"):
        who = str(clients("sts").get_caller_identity()["Arn"])
    with plainly("bringing back what failed"):
        moved = retry(pipeline.access(clients), who, name)
    return [Sent(ref, version) for ref, version in moved.items()]
