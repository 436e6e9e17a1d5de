"""S3 Vectors: the nearest vectors, by distance, filters and metadata."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.localcloud.conftest import Clients

NAMES = {"vectorBucketName": "vectors", "indexName": "documents"}
VECTORS: dict[str, tuple[list[float], dict[str, Any]]] = {
    "east": ([1.0, 0.0], {"page": 1, "tags": ["a", "b"]}),
    "north-east": ([3.0, 3.0], {"page": 2, "tags": ["b"]}),
    "north": ([0.0, 0.5], {"page": 3}),
    "west": ([-1.0, 0.0], {"page": 4, "title": "Go west"}),
}


@pytest.fixture
def vectors(aws: Clients, request: pytest.FixtureRequest) -> Any:
    client = aws("s3vectors")
    client.create_vector_bucket(vectorBucketName="vectors")
    client.create_index(
        **NAMES,
        dataType="float32",
        dimension=2,
        distanceMetric=getattr(request, "param", "cosine"),
    )
    client.put_vectors(
        **NAMES,
        vectors=[
            {"key": key, "data": {"float32": numbers}, "metadata": metadata}
            for key, (numbers, metadata) in VECTORS.items()
        ],
    )
    return client


def query(vectors: Any, **arguments: Any) -> list[dict[str, Any]]:
    asked: dict[str, Any] = {"queryVector": {"float32": [2.0, 0.0]}, "topK": 10, **arguments}
    return list(vectors.query_vectors(**NAMES, **asked)["vectors"])


def keys(found: list[dict[str, Any]]) -> list[str]:
    return [one["key"] for one in found]


def test_the_nearest_come_first_by_cosine_distance(vectors: Any) -> None:
    found = query(vectors, returnDistance=True)

    assert keys(found) == ["east", "north-east", "north", "west"]
    assert [one["distance"] for one in found] == pytest.approx([0, 1 - 0.5**0.5, 1, 2])
    assert keys(query(vectors, topK=2)) == ["east", "north-east"]


@pytest.mark.parametrize("vectors", ["euclidean"], indirect=True)
def test_or_by_euclidean_distance(vectors: Any) -> None:
    assert keys(query(vectors)) == ["east", "north", "west", "north-east"]


def test_metadata_and_distance_come_only_if_asked_for(vectors: Any) -> None:
    assert query(vectors, topK=1) == [{"key": "east"}]
    assert query(vectors, topK=1, returnMetadata=True) == [
        {"key": "east", "metadata": {"page": 1, "tags": ["a", "b"]}}
    ]


@pytest.mark.parametrize(
    ("rule", "passing"),
    [
        ({"page": 2}, {"north-east"}),
        ({"page": {"$ne": 2}}, {"east", "north", "west"}),
        ({"page": {"$gt": 1, "$lte": 3}}, {"north-east", "north"}),
        ({"page": {"$in": [1, 4]}}, {"east", "west"}),
        ({"page": {"$nin": [1, 4]}}, {"north-east", "north"}),
        ({"tags": "b"}, {"east", "north-east"}),
        ({"title": {"$exists": True}}, {"west"}),
        ({"title": {"$exists": False}}, {"east", "north-east", "north"}),
        ({"$or": [{"page": 1}, {"page": 4}]}, {"east", "west"}),
        ({"$and": [{"tags": "b"}, {"page": {"$gte": 2}}]}, {"north-east"}),
    ],
)
def test_a_filter_chooses_by_metadata(
    vectors: Any, rule: dict[str, Any], passing: set[str]
) -> None:
    assert set(keys(query(vectors, filter=rule))) == passing


@pytest.mark.parametrize(
    "arguments",
    [
        {"topK": 101},
        {"queryVector": {"float32": [1.0]}},
        {"filter": {"page": {"$like": 1}}},
        {"queryTexts": [{"metadataKey": "title", "text": "west"}]},
    ],
)
def test_what_is_wrong_or_not_emulated_is_refused(vectors: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        query(vectors, **arguments)


def test_an_index_that_is_not_there_is_an_error(vectors: Any) -> None:
    with pytest.raises(ClientError, match="NotFoundException"):
        vectors.query_vectors(
            vectorBucketName="vectors",
            indexName="other",
            topK=1,
            queryVector={"float32": [1.0, 0.0]},
        )
