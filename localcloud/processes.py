"""Commands and signals on this host. No AWS."""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from localcloud.driver import Answer
from localcloud.paths import Paths

SERVER = "localcloud.server"  # the module that it runs
TIMED_OUT = 124  # as timeout(1) returns
LONGEST_ARGUMENT = 200  # characters of an argument that an error shows


def run(*command: str, text: str = "") -> str:
    """Run a command with ``text`` as its input, and return its output; raises OSError."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        shown = " ".join(argument[:LONGEST_ARGUMENT] for argument in command)
        raise OSError(done.returncode, f"{shown}: {done.stderr.strip()}")
    return done.stdout


def server_of(place: Paths) -> int | None:
    """Return the pid of the cloud's server if it runs; no other process with that number."""
    try:
        pid = int(place.pid_file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if SERVER.encode() in command else None


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process; one that has exited is not an error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def run_for(
    command: list[str], text: str, seconds: float, environment: Mapping[str, str] | None = None
) -> Answer:
    """Run a command with ``text`` as its input, for at most ``seconds`` (then exit code 124)."""
    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        return Answer(TIMED_OUT, _text(error.stdout), _text(error.stderr))
    return Answer(done.returncode, done.stdout, done.stderr)


def _text(output: str | bytes | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
