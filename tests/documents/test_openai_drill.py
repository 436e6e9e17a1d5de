"""OpenAI answers 429 for a while, and a client adds and asks all along; see test_drills.py."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documents.cloud import PipelineCloud, cloud
from tests.documents.drilled import Workers, await_calls, busy
from tests.documents.served import served
from tests.documents.stand_ins import KEY, Failure, StandIn, serving


@pytest.fixture
def openai() -> Iterator[StandIn]:
    with serving() as found:
        found.hashed = True
        yield found


@pytest.fixture
def aws(model: Path, openai: StandIn) -> Iterator[PipelineCloud]:
    settings = {
        "embeddings": "openai",
        "openai_base_url": f"{openai.url}/v1",
        "openai_dimension": 384,
        "claim_seconds": 3,
    }
    with cloud(model, **settings) as found, pytest.MonkeyPatch.context() as patch:
        found.variables["OPENAI_API_KEY"] = KEY
        for name, value in found.variables.items():
            patch.setitem(os.environ, name, value)
        yield found


def test_openai_answers_429_for_a_while(aws: PipelineCloud, openai: StandIn) -> None:
    workers = Workers(aws)
    workers.start(2)
    try:
        with served() as url, busy(aws, url):
            openai.failures = [Failure(429, {"Retry-After": "1"}) for _ in range(1000)]
            await_calls(lambda: 1000 - len(openai.failures), 10)
            openai.failures = []
    finally:
        workers.kill(2)
