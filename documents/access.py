"""The tables, the bucket and the queue that the settings name: enough to watch, sweep and retry."""

from dataclasses import dataclass

from common.clients import Clients
from common.waiting import SystemClock
from documents.control.claims import Claims
from documents.control.listing import Listing
from documents.control.records import Audit, Metrics
from documents.control.vector_sets import VectorSets
from documents.queue import Queue
from documents.settings import Settings
from documents.source import Source
from documents.texts import Texts


@dataclass(frozen=True)
class Access:
    """The three tables, the bucket and the queue."""

    claims: Claims
    sets: VectorSets
    listing: Listing
    audit: Audit
    metrics: Metrics
    source: Source
    queue: Queue
    texts: Texts


def access(settings: Settings, clients: Clients) -> Access:
    """Return access to what the settings name; calls nothing yet."""
    dynamodb, clock, control = clients("dynamodb"), SystemClock(), settings.control_table
    return Access(
        Claims(dynamodb, control, clock, settings.claim_seconds),
        VectorSets(dynamodb, control, clock),
        Listing(dynamodb, control),
        Audit(dynamodb, settings.audit_table, clock, settings.audit_days),
        Metrics(dynamodb, settings.metrics_table, clock),
        Source(clients("s3"), settings.max_bytes),
        Queue(clients("sqs"), settings.queue_url),
        Texts(clients("s3"), settings.bucket),
    )
