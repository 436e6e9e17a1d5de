"""Children of a command that must end in order, since what they made is theirs to remove."""

import signal
import subprocess


def patiently(command: list[str]) -> int:
    """Run a command to its end, however long that takes after Ctrl-C; return its exit code.

    Ctrl-C on a terminal reaches the child by itself. SIGTERM and SIGHUP, which may be sent to this
    process alone, are passed on to it.
    """
    with subprocess.Popen(command) as process:
        passed = (signal.SIGTERM, signal.SIGHUP)
        before = {
            number: signal.signal(number, lambda caught, _: process.send_signal(caught))
            for number in passed
        }
        try:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:
                    continue
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
