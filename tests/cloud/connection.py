"""A running `invoke connect`, or one to the documents, or a shell in one of their tasks."""

import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commands.ray_runtime import ray_command
from common.checkout import cache
from common.waiting import Seen
from localcloud.terminal import Terminal
from tests.cloud.cluster_facts import ROOT
from tests.cloud.harness import TIMEOUT_SECONDS, eventually, until

TASK = """
import sys, ray
ray.init(sys.argv[1])
print("ran on", ray.get(ray.remote(ray.util.get_node_ip_address).remote()))
"""


class Said:
    """What a running command that connects has said."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        eventually("a connection", lambda: any(": connected to " in line for line in self.said))

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.said.append(line.rstrip("\n"))


class Connection(Said):
    """A running `invoke connect`, and what it has said."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        super().__init__(process)
        text = "\n".join(self.said)
        self.dashboard = re.findall(r"RAY_API_SERVER_ADDRESS=(\S+)", text)[0]
        self.client = re.findall(r"RAY_ADDRESS=(\S+)", text)[0]
        self.token_file = Path(re.findall(r"RAY_AUTH_TOKEN_PATH=(\S+)", text)[0])

    def ran_on(self) -> str:
        """Run a task through Ray client; return the address of the node that it ran on.

        Just after a head has come up, its Ray may give up to start a server for a client, which
        takes longer than the 30 s that it waits (ray/util/client/server/proxier.py).
        """
        python = ray_command(cache()).with_name("python")
        variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(self.token_file)}
        command = [python, "-c", TASK, self.client]

        def look() -> Seen[str]:
            done = subprocess.run(
                command, env=os.environ | variables, capture_output=True, text=True, check=False
            )
            if done.returncode:
                return Seen(None, done.stderr[-2000:])
            return Seen(done.stdout.split()[-1], "")

        return str(until("a task through Ray client", look))

    def matching(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        """Return what was said that fits a pattern."""
        return [found for line in list(self.said) if (found := pattern.fullmatch(line))]


@contextmanager
def connected() -> Iterator[Connection]:
    """Run `invoke connect`, on ports that are free, and end it with Ctrl-C."""
    with running("connect", "--dashboard", "0", "--client", "0") as process:
        yield Connection(process)


@contextmanager
def connected_to_documents() -> Iterator[Said]:
    """Run `invoke documents.connect` likewise."""
    with running("documents.connect", "--page", "0", "--dashboard", "0") as process:
        yield Said(process)


class Shell:
    """A running `invoke documents.shell` on a terminal, and what was printed there."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "invoke", "documents.shell", *options]
        self._terminal = Terminal(["env", "--chdir", str(ROOT), *command])
        self.printed = ""

    def types(self, line: str) -> None:
        """Type a line."""
        self._terminal.write(f"{line}\n".encode())

    def sees(self, text: str = "") -> None:
        """Wait until a text is printed, or without one until nothing more comes."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not (text and text in self.printed):
            assert time.monotonic() < deadline, self.printed
            if not select.select([self._terminal], [], [], 1.0)[0]:
                continue
            if not (piece := self._terminal.read()):
                assert not text, self.printed
                return
            self.printed += piece.decode()

    def close(self) -> None:
        """End it, if it has not ended."""
        self._terminal.close()


def printed_by(*command: str) -> str:
    """Run a command in the head's task; return what was printed until the shell has ended."""
    shell = Shell("--", *command)
    try:
        shell.sees()
    finally:
        shell.close()
    return shell.printed.replace("\r", "")


@contextmanager
def running(*task: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a task, and end it with Ctrl-C."""
    command = [sys.executable, "-m", "invoke", *task]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(TIMEOUT_SECONDS)
