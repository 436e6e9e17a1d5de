"""What ingestion and answering need of a provider. No AWS.

Every provider raises Unavailable where trying later may help, with the seconds that the service
asked to wait, and Refused where only a person can help.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from documents.identity import vector_key

Vector = list[float]


@dataclass(frozen=True)
class Stored:
    """A passage as the index keeps it: its set of vectors, its number there, its place."""

    vector_set: str
    number: int
    document: str
    page: int
    heading: str
    text: str

    @property
    def key(self) -> str:
        """The key of its vector."""
        return vector_key(self.vector_set, self.number)

    @property
    def metadata(self) -> dict[str, str | int]:
        """What the index keeps beside its vector."""
        kept = asdict(self)
        return {name: kept[name] for name in ("document", "page", "heading", "text")}


def stored(key: str, metadata: Mapping[str, Any]) -> Stored:
    """Return the passage that an index keeps by this key; numbers may come back as floats."""
    vector_set, _, number = key.rpartition("#")
    return Stored(
        vector_set,
        int(number),
        str(metadata["document"]),
        int(metadata["page"]),
        str(metadata["heading"]),
        str(metadata["text"]),
    )


@dataclass(frozen=True)
class Hit:
    """A passage that the index found; ``score`` is its cosine similarity to the question."""

    stored: Stored
    score: float


@dataclass(frozen=True)
class Passage:
    """A passage to answer from, and the objects that it is in."""

    sources: tuple[str, ...]
    page: int
    heading: str
    text: str
    score: float


class Embeddings(Protocol):
    """Turns texts into vectors of unit length."""

    dimension: int

    def count(self, texts: Sequence[str]) -> int:
        """Return how many tokens these texts are charged as, at most; 0 where nothing is."""

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return a vector for each text, in order."""


class Index(Protocol):
    """Keeps vectors by key, and finds the nearest."""

    def put(self, vectors: Sequence[tuple[Stored, Vector]]) -> None:
        """Write vectors; one with the same key is replaced."""

    def settle(self, keys: Sequence[str]) -> None:
        """Return once a search finds these keys; at once where writes are consistent."""

    def search(self, vector: Vector, count: int) -> list[Hit]:
        """Return the nearest, best first."""

    def delete(self, keys: Sequence[str]) -> None:
        """Delete vectors; keys that are not there are ignored."""


class Answers(Protocol):
    """Writes an answer from passages."""

    kind: str

    def asked(self, question: str, passages: Sequence[Passage]) -> int:
        """Return how many tokens it takes to ask this; 0 where nothing is charged."""

    def written(self, answer: str) -> int:
        """Return how many tokens an answer is charged as; 0 where nothing is."""

    def answer(self, question: str, passages: Sequence[Passage]) -> Iterator[str]:
        """Yield the answer, piece by piece."""
