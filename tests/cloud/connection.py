"""A running `invoke connect`."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cloud.cluster_facts import ROOT
from tests.cloud.harness import eventually


class Connection:
    """A running `invoke connect`, and what it has said."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        eventually("a connection", lambda: any(": connected to " in line for line in self.said))
        text = "\n".join(self.said)
        self.dashboard = re.findall(r"RAY_API_SERVER_ADDRESS=(\S+)", text)[0]
        self.token_file = Path(re.findall(r"RAY_AUTH_TOKEN_PATH=(\S+)", text)[0])

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.said.append(line.rstrip("\n"))

    def matching(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        """Return what was said that fits a pattern."""
        return [found for line in list(self.said) if (found := pattern.fullmatch(line))]


@contextmanager
def connected() -> Iterator[Connection]:
    """Run `invoke connect`, on ports that are free, and end it with Ctrl-C."""
    command = [sys.executable, "-m", "invoke", "connect", "--dashboard", "0", "--client", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Connection(process)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
