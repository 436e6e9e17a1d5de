"""Ray's dashboard, imported ahead of time. No AWS.

Importing the dashboard and its modules takes about three seconds of CPU, and a head accepts no job
before they run. As ``python -m node.ray.dashboard`` this is the launcher's child: it imports
them, in its own process and in the forkserver that the modules are forked from (which is how Ray
shares those imports: ray/dashboard/subprocesses/handle.py, Ray 2.60), says "warm" on the socket
that is its standard input, waits there for the command that Ray would have run, and becomes it.
"""

import json
import logging
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import PurePath

from node.ray.processes import die_with_parent

SCRIPT = "dashboard.py"


class WarmDashboard:
    """The process, seen from its launcher."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "node.ray.dashboard"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
            )
        self._talk = ours.makefile("rw", encoding="utf-8")
        ours.close()

    def become(self, command: Sequence[str]) -> bool:
        """Have it run ``python [options] …/dashboard.py arguments`` once everything is imported.

        False when the import killed it, or it has died since.
        """
        if not self._talk.readline():
            return False
        script = next(i for i, word in enumerate(command) if PurePath(word).name == SCRIPT)
        order = {"argv": list(command[script:]), "environ": dict(os.environ)}
        try:
            with self._talk:
                self._talk.write(json.dumps(order) + "\n")
        except OSError:
            return False
        return self.process.poll() is None


def import_everything() -> None:
    """Import what Ray's dashboard imports, here and in the forkserver; returns when both have."""
    import ray.dashboard.dashboard
    import ray.dashboard.http_server_head  # noqa: F401
    from ray.dashboard.subprocesses.handle import SubprocessModuleHandle
    from ray.dashboard.subprocesses.module import SubprocessModule
    from ray.dashboard.utils import get_all_modules

    modules = [module for module in get_all_modules(SubprocessModule) if module.is_enabled()]
    SubprocessModuleHandle.preload_in_forkserver(modules)
    first = SubprocessModuleHandle.mp_context.Process(target=int)
    first.start()
    first.join()


def main() -> None:
    """Wait for the launcher's command; return quietly when the launcher ends first."""
    die_with_parent()
    # As Ray starts its processes (ray/_private/services.py): Ctrl-C is not for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    with socket.socket(fileno=os.dup(0)) as launcher, launcher.makefile("rw") as talk:
        logging.disable(logging.INFO)  # it logs its modules at each start
        import_everything()
        logging.disable(logging.NOTSET)
        talk.write("warm\n")
        talk.flush()
        line = talk.readline()
    if not line:
        return
    order = json.loads(line)
    os.environ.update(order["environ"])
    sys.argv = order["argv"]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
