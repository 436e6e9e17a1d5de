"""Batch inference over objects in S3: score each text below a prefix, write a result beside it.

    invoke job.submit --working-dir examples --follow -- \\
        python batch_inference.py --bucket my-bucket --group gpu

Reads ``texts/*`` and writes ``results/*.json``; the group needs ``s3_read`` and ``s3_write`` on
both. An object with a result is not scored again, so a job that was lost is finished by another.
What to change for your own: ``Model``, for example to weights that it loads, and the batch.
"""

import argparse
import json
from collections.abc import Iterator
from typing import ClassVar

import boto3
import ray

BATCH = 16
TEXTS, RESULTS = "texts/", "results/"
# Ray gives each node the name of its group.
GROUP_LABEL = "ray.io/node-group"


class Model:
    """Says how positive a text is, from -1 to 1, by the words in it."""

    WEIGHTS: ClassVar = {
        "good": 1.0,
        "great": 1.0,
        "fine": 0.5,
        "poor": -0.5,
        "bad": -1.0,
        "broken": -1.0,
    }

    def score(self, text: str) -> float:
        """Return the mean weight of the words that have one."""
        known = [self.WEIGHTS[word] for word in text.lower().split() if word in self.WEIGHTS]
        return sum(known) / len(known) if known else 0.0


@ray.remote
class Scorer:
    """Loads the model once, and then scores one batch after the other."""

    def __init__(self, bucket: str) -> None:
        self._model, self._s3, self._bucket = Model(), boto3.client("s3"), bucket

    def missing(self) -> list[str]:
        """Return the texts that have no result yet, in order."""
        done = {key.removeprefix(RESULTS).removesuffix(".json") for key in self._keys(RESULTS)}
        return [key for key in self._keys(TEXTS) if key.removeprefix(TEXTS) not in done]

    def score(self, keys: list[str]) -> int:
        """Score these texts, and return how many."""
        for key in keys:
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            result = json.dumps({"text": key, "score": self._model.score(body.decode())})
            name = f"{RESULTS}{key.removeprefix(TEXTS)}.json"
            self._s3.put_object(Bucket=self._bucket, Key=name, Body=result.encode())
        return len(keys)

    def _keys(self, prefix: str) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
            yield from (found["Key"] for found in page.get("Contents", []))


def main() -> None:
    """List, split into batches, and score them on several actors."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--group", default="", help="the group of workers (default: any)")
    parser.add_argument("--actors", type=int, default=2)
    given = parser.parse_args()
    ray.init(logging_level="warning")
    where = {GROUP_LABEL: given.group} if given.group else {}
    scorers = [
        Scorer.options(label_selector=where).remote(given.bucket) for _ in range(given.actors)
    ]
    keys = ray.get(scorers[0].missing.remote())
    batches = [keys[begin : begin + BATCH] for begin in range(0, len(keys), BATCH)]
    pool = ray.util.ActorPool(scorers)
    scored = sum(pool.map_unordered(lambda actor, batch: actor.score.remote(batch), batches))
    print(f"{scored} texts scored in {len(batches)} batches")


if __name__ == "__main__":
    main()
