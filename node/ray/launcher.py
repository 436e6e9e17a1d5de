"""Run Ray's command line in this process, imported ahead of time. No AWS.

Importing Ray takes a second of CPU, which a standby or a waiting worker spends in advance.
As ``python -m node.ray.launcher`` this is the guard's child: it has the dashboard warm up beside
it, imports Ray, says "warm" on the socket that is its standard input, waits for the arguments
there, and becomes ``ray start``.
"""

import json
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from node.ray import redis_password
from node.ray.dashboard import WarmDashboard
from node.ray.head_start import start_in_order
from node.ray.processes import die_with_parent

# `ray list` and its like, `ray job`, `ray serve`: Ray's command line does without what cannot be
# imported (the end of ray/scripts/scripts.py, Ray 2.60), and saves two fifths of its import.
OTHER_COMMANDS = (
    "ray.util.state.state_cli",
    "ray.dashboard.modules.job.cli",
    "ray.serve.scripts",
)


def warm_up() -> None:
    """Import what ``ray start`` needs of Ray's command line."""
    with unavailable(OTHER_COMMANDS):
        import ray.scripts.scripts  # noqa: F401


@contextmanager
def unavailable(names: Sequence[str]) -> Iterator[None]:
    """Have imports of these modules fail: docs.python.org/3/reference/import.html, module cache."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def run_ray(arguments: Sequence[str]) -> None:
    """Run as the ``ray`` command; ends with SystemExit."""
    from ray.scripts.scripts import main

    sys.argv = ["ray", *arguments]
    if "RAY_REDIS_ADDRESS" in os.environ:
        sys.argv += redis_password.arguments()
    main()


def main() -> None:
    """Wait for the guard's arguments; return quietly when the guard ends first."""
    die_with_parent()
    with socket.socket(fileno=os.dup(0)) as guard, guard.makefile("rw") as talk:
        dashboard = WarmDashboard()
        warm_up()
        start_in_order(dashboard)
        talk.write("warm\n")
        talk.flush()
        line = talk.readline()
    if not line:
        return
    devnull = os.open(os.devnull, os.O_RDONLY)
    os.dup2(devnull, 0)
    run_ray(json.loads(line))


if __name__ == "__main__":
    main()
