"""S3 Vectors answers QueryVectors: an exact search, where AWS's is approximate.

Follows docs.aws.amazon.com/AmazonS3/latest/API/API_S3VectorBuckets_QueryVectors.html (ranked by
distance; distances and metadata if asked for), and in the S3 user guide s3-vectors-metadata-
filtering.html (the operators, and that a list matches by any of its elements) and s3-vectors-
limitations.html (topK up to 100). moto has the other calls, but not this one.
"""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from moto.core.responses import ActionResult
from moto.s3vectors.exceptions import ValidationError
from moto.s3vectors.models import Vector
from moto.s3vectors.responses import S3VectorsResponse
from moto.s3vectors.urls import url_paths

from localcloud.world import World

MOST = 100
UNSUPPORTED = ("queryTexts", "nextToken", "returnScores")
COMPARES: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
Numbers = Sequence[float]


def query_vectors(self: Any) -> ActionResult:
    """Answer with the nearest vectors that pass the filter."""
    asked = {name: self._get_param(name) for name in UNSUPPORTED}
    if any(asked.values()):
        raise ValidationError(f"not emulated here: {', '.join(n for n in asked if asked[n])}")
    index = self.s3vectors_backend.get_index(
        *(self._get_param(name) for name in ("vectorBucketName", "indexName", "indexArn"))
    )
    question, count = self._get_param("queryVector")["float32"], int(self._get_param("topK"))
    if not 1 <= count <= MOST or len(question) != index.dimension:
        raise ValidationError(f"topK is 1 to {MOST}, and queryVector has {index.dimension} numbers")
    distance, rule = DISTANCES[index.distance_metric](question), self._get_param("filter")
    found = sorted(
        (distance(vector.data["float32"]), vector.key)
        for vector in index.vectors.values()
        if passes(vector.metadata or {}, rule or {})
    )[:count]
    vectors = [described(self, index.vectors[key], far) for far, key in found]
    return ActionResult({"vectors": vectors, "distanceMetric": index.distance_metric})


def described(self: Any, vector: Vector, distance: float) -> dict[str, Any]:
    """Return one result, with what was asked for."""
    result: dict[str, Any] = {"key": vector.key}
    if self._get_bool_param("returnDistance", False):
        result["distance"] = distance
    if self._get_bool_param("returnMetadata", False):
        result["metadata"] = vector.metadata
    return result


def cosine(question: Numbers) -> Callable[[Numbers], float]:
    """Return 1 - cosine of the angle to the question."""
    length = math.hypot(*question)

    def distance(vector: Numbers) -> float:
        product: float = sum(map(operator.mul, question, vector))
        return 1 - product / (length * math.hypot(*vector))

    return distance


def euclidean(question: Numbers) -> Callable[[Numbers], float]:
    """Return the squared distance to the question."""
    return lambda vector: sum((a - b) ** 2 for a, b in zip(question, vector, strict=True))


DISTANCES = {"cosine": cosine, "euclidean": euclidean}


def passes(metadata: dict[str, Any], rule: dict[str, Any]) -> bool:
    """Return whether a vector's metadata passes a filter."""
    for name, wanted in rule.items():
        if name in ("$and", "$or"):
            quantifier = all if name == "$and" else any
            if not quantifier(passes(metadata, one) for one in wanted):
                return False
        elif not _matches(metadata, name, wanted if isinstance(wanted, dict) else {"$eq": wanted}):
            return False
    return True


def _matches(metadata: dict[str, Any], name: str, conditions: dict[str, Any]) -> bool:
    values = metadata.get(name, [])
    values = values if isinstance(values, list) else [values]
    for condition, wanted in conditions.items():
        if condition == "$exists":
            matched = (name in metadata) == wanted
        elif condition in ("$eq", "$in"):
            matched = any(v in wanted if condition == "$in" else v == wanted for v in values)
        elif condition in ("$ne", "$nin"):
            matched = not any(v in wanted if condition == "$nin" else v == wanted for v in values)
        elif condition in COMPARES:
            matched = any(COMPARES[condition](v, wanted) for v in values)
        else:
            raise ValidationError(f"{condition} is no operator of a filter")
        if not matched:
            return False
    return True


def install() -> None:
    """Add this action to those of moto."""
    S3VectorsResponse.query_vectors = query_vectors
    url_paths["{0}/QueryVectors$"] = S3VectorsResponse.dispatch


def attach(world: World) -> None:
    """Nothing happens here by itself."""
