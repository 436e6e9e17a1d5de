"""When a container of the pipeline is ill, and when it only waits."""

import socket
from collections.abc import Iterator

import pytest

from documents import health


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What listens where a head's GCS would."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(health, "GCS_PORT", server.getsockname()[1])
        yield server


@pytest.mark.parametrize(
    ("raylet", "head", "healthy"),
    [
        (True, "127.0.0.1", True),
        (False, "127.0.0.1", False),
        (False, "head.ray-documents-dev.invalid", True),  # RFC 2606: it never resolves
    ],
)
def test_a_worker_without_a_head_is_not_ill(
    monkeypatch: pytest.MonkeyPatch, gcs: socket.socket, raylet: bool, head: str, healthy: bool
) -> None:
    asked = list[str]()

    def answers(url: str) -> bool:
        asked.append(url)
        return raylet

    monkeypatch.setattr(health, "answers", answers)
    monkeypatch.setattr(socket, "gethostbyname", lambda name: "10.78.1.5")
    monkeypatch.setenv("HEAD_NAME", head)

    assert health.is_healthy("worker") is healthy
    assert asked == ["http://10.78.1.5:52365/api/local_raylet_healthz"]


def test_a_worker_whose_head_takes_no_connections_is_not_ill(
    monkeypatch: pytest.MonkeyPatch, gcs: socket.socket
) -> None:
    gcs.close()
    monkeypatch.setattr(health, "answers", lambda url: False)
    monkeypatch.setenv("HEAD_NAME", "127.0.0.1")

    assert health.is_healthy("worker")
    assert not health.is_healthy("head")
