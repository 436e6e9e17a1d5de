"""The examples' own work, without Ray; tests/cloud/test_end_to_end.py runs them on a cluster."""

import importlib.util
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
Example = Callable[[str], Any]


def remote(*args: Any, **options: Any) -> Any:
    """Leave what is decorated as it is, with options or without."""
    return args[0] if args else lambda decorated: decorated


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Example:
    """Import an example in a Python that has no Ray."""
    here = SimpleNamespace(get_node_ip_address=lambda: "10.0.0.1")
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(remote=remote, util=here))

    def imported(name: str) -> Any:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return imported


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """S3 with a bucket named lake."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="lake")
        yield client


@pytest.mark.parametrize(
    ("begin", "end", "count"),
    [(0, 1, 0), (0, 2, 0), (0, 3, 1), (0, 100, 25), (100, 200, 21), (1, 3, 1), (2, 4, 2)],
)
def test_primes_are_counted_in_any_piece(
    example: Example, begin: int, end: int, count: int
) -> None:
    assert example("parallel_map").primes(begin, end) == (count, "10.0.0.1")


def test_the_pieces_add_up(example: Example) -> None:
    module = example("parallel_map")
    pieces = [(begin, begin + 10_000) for begin in range(0, 100_000, 10_000)]

    assert sum(module.primes(*piece)[0] for piece in pieces) == 9592


def test_each_text_is_scored_once(example: Example, s3: Any) -> None:
    for name, text in (("a", "Good and great"), ("b", "a bad day"), ("c", "no word of these")):
        s3.put_object(Bucket="lake", Key=f"texts/{name}.txt", Body=text.encode())
    scorer = example("batch_inference").Scorer("lake")

    assert scorer.missing() == ["texts/a.txt", "texts/b.txt", "texts/c.txt"]
    assert scorer.score(["texts/a.txt", "texts/b.txt"]) == 2
    assert scorer.missing() == ["texts/c.txt"]
    scorer.score(["texts/c.txt"])
    bodies = [
        json.loads(s3.get_object(Bucket="lake", Key=f"results/{name}.txt.json")["Body"].read())
        for name in "abc"
    ]
    assert [body["score"] for body in bodies] == [1.0, -1.0, 0.0]
    assert scorer.missing() == []


def test_training_goes_on_from_its_checkpoint_and_learns(example: Example, s3: Any) -> None:
    random.seed(1)
    module = example("train")
    first = module.Trainer("lake", "checkpoints/line.json")
    assert first.state() == {"step": 0, "slope": 0.0, "intercept": 0.0}
    written = first.train_to(300, 0.0)
    first.step()  # lost: no checkpoint has it

    second = module.Trainer("lake", "checkpoints/line.json")
    assert second.state() == written
    assert second.train_to(200, 0.0) == written  # asked again, as by a retry
    last = second.train_to(2000, 0.0)
    assert last["step"] == 2000
    assert last["slope"] == pytest.approx(3.0, abs=0.1)
    assert last["intercept"] == pytest.approx(-1.0, abs=0.1)
