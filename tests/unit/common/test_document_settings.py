"""What ``[documents]`` takes and refuses."""

from typing import Any

import pytest
from pydantic import ValidationError

from common.document_settings import Documents


@pytest.mark.parametrize(
    ("cpu", "memory"), [(256, 512), (256, 2048), (512, 3072), (1024, 8192), (16384, 122880)]
)
def test_sizes_of_fargate_are_taken(cpu: int, memory: int) -> None:
    assert Documents.model_validate({"head": {"cpu": cpu, "memory": memory}}).head.memory == memory


@pytest.mark.parametrize(
    ("cpu", "memory"), [(1024, 99999), (256, 1536), (300, 1024), (8192, 18432), (2048, 2048)]
)
def test_other_sizes_are_refused(cpu: int, memory: int) -> None:
    with pytest.raises(ValidationError, match=r"CPU units take|cpu must be one of"):
        Documents.model_validate({"worker": {"cpu": cpu, "memory": memory}})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"nat": False}, "nat = true or endpoints = true"),
        ({"nat": False, "endpoints": True, "answers": "openai"}, "reached through a NAT"),
        ({"index": "pinecone"}, "pinecone_host"),
        ({"worker": {"min": 4, "max": 3}}, "min = 4 is more than max = 3"),
        ({"worker": {"spot_percent": 101}}, "spot_percent"),
        ({"worker": {"cpu": 256, "memory": 1024}}, "a worker needs 2048 MiB"),
        ({"runs_on": "lambda"}, "runs_on"),
        ({"runs_on": "ec2", "nat": False, "base": "x"}, "nat, base: remove it"),
        ({"runs_on": "ec2", "worker": {"max": 3}}, r"\[workers.NAME\] describes its instances"),
        ({"group": "gpu"}, 'only runs_on = "ec2" has one'),
        ({"bucket": "Not A Bucket"}, "a-z, 0-9, '-' and '.', a letter or digit at both ends"),
        ({"email": "on-call"}, "'on-call' is not like on-call@example.com"),
        ({"log_days": 31}, "log_days must be one of 1, 3, 5, 7, 14, 30"),
    ],
)
def test_what_cannot_work_is_refused(content: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Documents.model_validate(content)


def test_endpoints_serve_tasks_that_call_aws_alone() -> None:
    assert Documents.model_validate({"nat": False, "endpoints": True}).index == "s3vectors"
