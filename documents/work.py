"""Put together what a worker has at hand; loads the model."""

from common.clients import Clients
from documents.access import access
from documents.attempt import Work
from documents.parsing.process import ParserProcess
from documents.parsing.section import Limits
from documents.providers import choose
from documents.providers.tokenizer import SpanTokenizer
from documents.settings import Settings


def parser_limits(settings: Settings) -> Limits:
    """Return what one document may take."""
    return Limits(
        settings.max_bytes,
        settings.max_pages,
        settings.max_characters,
        settings.parse_seconds,
        settings.parse_memory,
    )


def make_work(settings: Settings, clients: Clients, who: str) -> Work:
    """Return what a worker of this name has at hand; loads the model."""
    found = access(settings, clients)
    return Work(
        who,
        settings,
        found.claims,
        found.sets,
        found.audit,
        found.metrics,
        found.source,
        ParserProcess(parser_limits(settings)),
        SpanTokenizer(settings.model_folder),
        choose.embeddings(settings),
        choose.index(settings, clients),
        found.texts,
    )
