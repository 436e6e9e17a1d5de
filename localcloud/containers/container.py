"""One container: a bundle, a runc process, its output, its end. No AWS.

See runc(8), runc-run(8): ``runc run`` stays in the foreground, passes signals on, and exits as the
container's process does, with 128 and the number of the signal that killed it.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from localcloud.containers.oci import Tree
from localcloud.driver import Answer
from localcloud.paths import Paths
from localcloud.processes import run_for

KILL_SECONDS = 10.0
STARTED_SECONDS = 10.0
LONGEST_LINE = 256 * 1024  # bytes, of an event in CloudWatch Logs


class NotStarted(Exception):
    """runc could not start the container; the text is what it said."""


class Container:
    """A running container; its lines wait until they are taken."""

    def __init__(
        self, state: Path, folder: Path, name: str, on_exit: Callable[[int], None]
    ) -> None:
        self._state, self._folder, self._name = state, folder, name
        self._on_exit = on_exit
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: list[tuple[float, str]] = []
        self._taking = threading.Lock()
        self.ended = threading.Event()
        self.code: int | None = None

    @property
    def name(self) -> str:
        """Its name to runc."""
        return self._name

    def start(self, config: Tree) -> None:
        """Start it; raises NotStarted."""
        bundle, pid_file = self._folder / "bundle", self._folder / "pid"
        bundle.mkdir(exist_ok=True)
        settings = bundle / "config.json"
        settings.touch(mode=0o600)  # its variables may be secrets
        settings.write_text(json.dumps(config))
        log = self._folder / "runc.log"
        self._process = subprocess.Popen(
            [
                *("runc", "--root", str(self._state), "--log", str(log)),
                *("--log-format", "json", "run"),
                *("--bundle", str(bundle), "--pid-file", str(pid_file), self._name),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        reader.start()
        self._await_start(pid_file, log)
        threading.Thread(target=self._wait, args=(self._process, reader), daemon=True).start()

    def _await_start(self, pid_file: Path, log: Path) -> None:
        """Wait until the process exists; a command that cannot be run is an error of runc's."""
        assert self._process  # noqa: S101 - the caller has started it
        deadline = time.monotonic() + STARTED_SECONDS
        while not pid_file.exists() and time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            time.sleep(0.01)
        if not pid_file.exists():
            self._process.kill()
            self._process.wait()
            raise NotStarted(_last_words(log))

    def _wait(self, process: "subprocess.Popen[bytes]", reader: threading.Thread) -> None:
        self.code = process.wait()
        reader.join(KILL_SECONDS)
        self.ended.set()
        self._on_exit(self.code)

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        for line in process.stdout or ():
            text = line[:LONGEST_LINE].decode(errors="replace").rstrip("\r\n")
            with self._taking:
                self._lines.append((time.time(), text))

    def take_lines(self) -> list[tuple[float, str]]:
        """Return what it has printed since the last call, with the time of each line."""
        with self._taking:
            taken, self._lines = self._lines, []
        return taken

    def run(self, command: list[str], seconds: float) -> Answer:
        """Run a command inside, as the container's user; exit code 124 is a timeout."""
        return run_for(
            ["runc", "--root", str(self._state), "exec", self._name, *command], "", seconds
        )

    def stop(self, seconds: float) -> None:
        """Ask it to stop, and kill it if it has not within ``seconds``."""
        self._signal("TERM")
        if not self.ended.wait(seconds):
            self._signal("KILL")
            self.ended.wait(KILL_SECONDS)

    def _signal(self, name: str) -> None:
        subprocess.run(
            ["runc", "--root", str(self._state), "kill", self._name, name],
            capture_output=True,
            check=False,  # it may have exited just now
        )

    def remove(self) -> None:
        """Remove what runc keeps of it, killing what still runs."""
        subprocess.run(
            ["runc", "--root", str(self._state), "delete", "--force", self._name],
            capture_output=True,
            check=False,  # nothing is left of one that has exited
        )
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _last_words(log: Path) -> str:
    """Return the last message of runc's log."""
    lines = log.read_text().splitlines() if log.exists() else []
    return str(json.loads(lines[-1])["msg"]) if lines else "runc failed"


def command_in(place: Paths, task_id: str, command: list[str]) -> list[str] | None:
    """Return a command that runs ``command`` in the first container of a task, if it runs."""
    state = place.run / "runc"
    prefix = f"{task_id.rpartition('/')[2][:12]}-"
    names = sorted(path.name for path in state.glob(f"{prefix}*")) if task_id else []
    if not names:
        return None
    return ["runc", "--root", str(state), "exec", names[0], *command]


def shell_in(place: Paths, name: str, command: Sequence[str]) -> list[str]:
    """Return a command that runs ``command`` in a container on the caller's terminal, as root.

    With the variables that the SSM agent adds to the container's (github.com/aws/amazon-ssm-agent,
    agent/session/shell/shell_unix.go).
    """
    added = ("--env", "TERM=xterm-256color", "--env", "HOME=/root")
    state = ("--root", str(place.run / "runc"))
    return ["runc", *state, "exec", "--tty", "--user", "0:0", *added, name, *command]
