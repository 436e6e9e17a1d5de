"""Make the providers that the settings name; a library is imported only where it is used."""

from common.clients import Clients
from documents.providers.interfaces import Answers, Embeddings, Index
from documents.providers.tokenizer import SpanTokenizer
from documents.settings import Settings


def embeddings(settings: Settings, threads: int = 1) -> Embeddings:
    """Return what embeds; ``threads`` is for the local model."""
    if settings.embeddings == "openai":
        from documents.providers.openai_embeddings import OpenAIEmbeddings

        return OpenAIEmbeddings(settings, SpanTokenizer(settings.model_folder))
    from documents.providers.local_embeddings import LocalEmbeddings

    return LocalEmbeddings(settings.model_folder, threads)


def index(settings: Settings, clients: Clients) -> Index:
    """Return where vectors are kept."""
    if settings.index == "pinecone":
        from documents.providers.pinecone_index import PineconeIndex

        return PineconeIndex(settings)
    from documents.providers.s3vectors_index import S3VectorsIndex

    return S3VectorsIndex(clients("s3vectors"), settings.vector_bucket, settings.vector_index)


def answers(settings: Settings) -> Answers:
    """Return what writes answers."""
    from documents.providers.answers import ExtractiveAnswers, OpenAIAnswers

    if settings.answers == "openai":
        return OpenAIAnswers(settings, SpanTokenizer(settings.model_folder))
    return ExtractiveAnswers()
