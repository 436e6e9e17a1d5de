"""Children of a command that must end in order, since what they made is theirs to remove."""

import signal
import subprocess

from common.signals import handled


def patiently(command: list[str]) -> int:
    """Run a command to its end, however long that takes after Ctrl-C; return its exit code.

    Ctrl-C on a terminal reaches the child by itself. SIGTERM and SIGHUP, which may be sent to this
    process alone, are passed on to it.
    """
    with (
        subprocess.Popen(command) as process,
        handled(lambda caught, _: process.send_signal(caught), signal.SIGTERM, signal.SIGHUP),
    ):
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue
