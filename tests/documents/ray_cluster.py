"""A Ray cluster for a test, on this machine: a head without CPUs and workers, each a raylet."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from common.checkout import REPOSITORY
from common.waiting import Seen, SystemClock, wait_for

STARTS_WITHIN = 240.0
RAY = str(Path(sys.executable).with_name("ray"))


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class RayCluster:
    """The processes of one cluster; ``folder`` holds its files and logs."""

    variables: dict[str, str]
    folder: Path
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What every process of the cluster is told."""
        return {
            **self.variables,
            "RAY_ADDRESS": f"127.0.0.1:{self.port}",
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": str(REPOSITORY),
        }

    def start_head(self, *arguments: str, **variables: str) -> None:
        head = ("--head", f"--port={self.port}", "--num-cpus=0", "--include-dashboard=false")
        self._spawn("head", [*_command(self.folder), *head, *arguments], variables)

    def start_worker(self, name: str, cpus: int, group: str = "") -> None:
        command = worker_command(f"127.0.0.1:{self.port}", cpus, self.folder)
        self._spawn(name, command, {"RAY_NODE_TYPE_NAME": group})

    def await_started(self, name: str) -> None:
        """Wait until ``ray start`` says so: a worker that cannot join in time gives up."""

        def look() -> Seen[bool]:
            log = self.log(name)
            return Seen("Ray runtime started" in log or None, log[-300:])

        wait_for(f"Ray on {name}", look, clock=SystemClock(), seconds=STARTS_WITHIN)

    def run(self, module: str, name: str, **variables: str) -> None:
        """Start one of the application's entry points."""
        self._spawn(name, [sys.executable, "-m", module], variables)

    def kill(self, name: str) -> None:
        """Kill a process and all that it started, as the loss of a task does."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def show(self) -> None:
        """Print what the application logged; pytest shows it of a test that failed."""
        print(*(f"{name}: {self.log(name)[-2000:]}" for name in self.processes), sep="\n")
        for path in sorted(self.folder.glob("ray/session_latest/logs/worker-*.err")):
            print(path.name, path.read_text()[-2000:])

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name)

    def _spawn(self, name: str, command: list[str], variables: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env={**self.environment, **variables},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def worker_command(address: str, cpus: int, folder: Path | str) -> list[str]:
    """Return what starts a worker that joins the head at this address."""
    return [*_command(folder), f"--address={address}", f"--num-cpus={cpus}"]


def _command(folder: Path | str) -> list[str]:
    return [
        *(RAY, "start", "--block", "--node-ip-address=127.0.0.1", "--disable-usage-stats"),
        *("--object-store-memory=80000000", f"--temp-dir={folder}/ray"),
    ]


@contextmanager
def ray_folder(variables: dict[str, str]) -> Iterator[RayCluster]:
    """Yield a cluster of which nothing runs yet; stop what does after the block."""
    # Ray's sockets are below it, and their paths may have 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="rk-docs-", dir="/tmp"))
    cluster = RayCluster(variables, folder)
    try:
        yield cluster
    finally:
        cluster.show()
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def ray_cluster(variables: dict[str, str], workers: dict[str, int]) -> Iterator[RayCluster]:
    """Run a cluster with these workers, by their CPUs, and the consumers' keeper and Serve."""
    with ray_folder(variables) as cluster:
        cluster.start_head()
        cluster.await_started("head")
        for name, cpus in workers.items():
            cluster.start_worker(name, cpus)
            cluster.await_started(name)
        yield cluster


def await_served(port: int, seconds: float) -> None:
    """Wait until Serve answers."""

    def look() -> Seen[bool]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                return Seen(answer.status == 200 or None, str(answer.status))
        except (urllib.error.URLError, OSError) as error:
            return Seen(None, str(error))

    wait_for("the answers", look, clock=SystemClock(), seconds=seconds)
