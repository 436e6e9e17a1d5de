"""Redis's password: the GCS gets it from a file, and no argv has it."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from node.ray import redis_password

SECRET = "s3cret-of-the-redis"


class Ray:
    """Ray's function that starts processes, which only records its calls."""

    def __init__(self) -> None:
        self.started: list[tuple[list[str], dict[str, Any]]] = []

    def start_ray_process(self, command: list[str], process_type: str, **options: Any) -> None:
        self.started.append((command, options))


@pytest.fixture
def ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ray:
    """Ray, which starts its processes without the password from now on."""
    path = tmp_path / "redis_password"
    path.write_text(f"{SECRET}\n")
    ray, services, private = Ray(), ModuleType("services"), ModuleType("ray._private")
    monkeypatch.setattr(services, "start_ray_process", ray.start_ray_process, raising=False)
    monkeypatch.setattr(private, "services", services, raising=False)
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    monkeypatch.setitem(sys.modules, "ray._private", private)
    assert redis_password.arguments(path, tmp_path / "flags") == [f"--redis-password={SECRET}"]
    ray.start_ray_process = services.start_ray_process  # type: ignore[method-assign]
    return ray


def test_only_the_gcs_gets_the_password_from_a_private_file(ray: Ray, tmp_path: Path) -> None:
    ray.start_ray_process(["gcs_server", f"--redis_password={SECRET}", "--x"], "gcs_server")

    assert ray.started[0][0] == ["gcs_server", f"--flagfile={tmp_path / 'flags'}", "--x"]
    assert (tmp_path / "flags").read_text() == f"--redis_password={SECRET}\n"
    assert (tmp_path / "flags").stat().st_mode & 0o777 == 0o600


def test_raylet_workers_and_client_server_get_no_password(ray: Ray) -> None:
    workers = f"--python_worker_command=python --redis-password={SECRET} --y"
    ray.start_ray_process(["raylet", workers], "raylet", fate_share=True)
    updates = {"RAY_REDIS_PASSWORD": SECRET, "OTHER": "kept"}
    ray.start_ray_process(["server"], "ray_client_server", env_updates=updates)

    assert SECRET not in repr(ray.started)
    assert ray.started[0] == (
        ["raylet", "--python_worker_command=python  --y"],
        {"fate_share": True},
    )
    assert ray.started[1][1] == {"env_updates": {"OTHER": "kept"}}
