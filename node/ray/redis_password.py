"""Give Ray the password of its Redis, and keep it out of every argv and environment. No AWS.

``ray start`` takes it as --redis-password, here only in Python's memory, and would pass it to
gcs_server, to the raylet for all its workers (ray/_private/services.py, start_gcs_server and
start_raylet) and to the client server. Of these only the GCS talks to Redis; it reads its flags
with gflags, which can read them from a file: gflags.github.io/gflags, --flagfile. Ray 2.60.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from node.identity import RUN, write_whole
from node.ray.start_settings import REDIS_PASSWORD

FLAGS = RUN / "redis" / "redis.flags"  # in a folder of the user ray
VARIABLE = "RAY_REDIS_PASSWORD"


def arguments(path: Path = REDIS_PASSWORD, flags: Path = FLAGS) -> list[str]:
    """Return the arguments for ``ray start``; Ray's processes then start without the password.

    ``path`` is the file that the guard wrote it to.
    """
    from ray._private import services

    password = path.read_text(encoding="utf-8").strip()
    write_whole(flags, f"--redis_password={password}\n", 0o600)
    services.start_ray_process = without_password(services.start_ray_process, password, flags)
    return [f"--redis-password={password}"]


def without_password(start: Callable[..., Any], password: str, flags: Path) -> Callable[..., Any]:
    """Return a ``start_ray_process`` that keeps the password out of what it starts."""

    def start_without(command: list[str], *others: Any, **options: Any) -> Any:
        own = f"--redis_password={password}"
        kept = [f"--flagfile={flags}" if word == own else word for word in command]
        # The raylet gets its workers' command as one argument.
        hidden = [word.replace(f"--redis-password={password}", "") for word in kept]
        if options.get("env_updates"):
            updates = options["env_updates"]
            options["env_updates"] = {k: v for k, v in updates.items() if k != VARIABLE}
        return start(hidden, *others, **options)

    return start_without
