"""Embeddings by OpenAI. No AWS."""

from collections.abc import Sequence

from common.errors import Refused
from documents.chunking import Tokenize
from documents.providers.interfaces import Vector
from documents.providers.openai_client import answering, openai_client
from documents.settings import Settings


class OpenAIEmbeddings:
    """One of OpenAI's embedding models, at one dimension.

    ``tokenize`` estimates what is charged: word pieces are a little shorter than OpenAI's tokens in
    English and about as long elsewhere, so that the budget stops rather too early than too late.
    """

    def __init__(self, settings: Settings, tokenize: Tokenize) -> None:
        self.dimension = settings.openai_dimension
        self._client, self._model = openai_client(settings), settings.openai_embedding_model
        self._tokenize = tokenize

    def count(self, texts: Sequence[str]) -> int:
        """Return about how many tokens these texts are charged as."""
        return sum(len(self._tokenize(text)) for text in texts)

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return a vector for each text; raises Refused when their dimension is not as set."""
        if not texts:
            return []
        with answering("embedding"):
            answer = self._client.embeddings.create(
                model=self._model, input=list(texts), dimensions=self.dimension
            )
        vectors = [one.embedding for one in sorted(answer.data, key=lambda one: one.index)]
        wrong = {len(vector) for vector in vectors} - {self.dimension}
        if wrong or len(vectors) != len(texts):
            raise Refused(
                f"{self._model} answered {len(vectors)} vectors of {wrong or self.dimension} "
                f"numbers for {len(texts)} texts; the index has {self.dimension}",
                hint="set openai_dimension to the model's, and index anew",
            )
        return vectors
