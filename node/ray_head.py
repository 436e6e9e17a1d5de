"""Ray's head as the guard sees it: warm it, start it, ask it, end it. No AWS; starts processes.

Why each setting is as it is: measured with Ray 2.60, see the architecture notes on Ray in docs/.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from node.gcs import Gcs, GrpcGcs, NotAdmitted, Unreachable
from node.identity import Identity
from node.processes import become_subreaper, kill_descendants, reap

TOKEN = Path("/run/ray/token")
AUTOSCALER = Path("/run/ray/autoscaler.yaml")


class RayHead(Protocol):
    """What the guard needs of Ray. Every method returns at once, or within a second."""

    def warm(self) -> bool:
        """Get ready to start, or say that we are; called again until True."""

    def start(self) -> None:
        """Start Ray; it must be dead and warm."""

    def is_running(self) -> bool:
        """Say whether the command that was started still runs."""

    def is_healthy(self) -> bool:
        """Say whether the GCS answers and lists this instance's raylet as alive."""

    def kill(self) -> bool:
        """End every process of Ray's at once; True when none is left. Called again until True."""


def common_environment(identity: Identity) -> dict[str, str]:
    """Return what head and workers share.

    The two names match nodes to instances (autoscaler v2); usage statistics would dial out.
    """
    return {
        "RAY_CLOUD_INSTANCE_ID": identity.instance_id,
        "RAY_NODE_TYPE_NAME": identity.node_type,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(TOKEN),
        "RAY_USAGE_STATS_ENABLED": "0",
        "AWS_DEFAULT_REGION": identity.region,
    }


def head_environment(identity: Identity) -> dict[str, str]:
    """Return what a head's Ray adds to its environment; v2 replaces dead workers, v1 never does."""
    return {**common_environment(identity), "RAY_enable_autoscaler_v2": "1"}


def head_arguments(identity: Identity) -> list[str]:
    """Return ``ray``'s arguments; no tasks on the head, and no guessing of its address."""
    return [
        "start",
        "--head",
        "--block",
        "--num-cpus=0",
        f"--node-ip-address={identity.address}",
        "--port=6379",
        f"--autoscaling-config={AUTOSCALER}",
        "--dashboard-host=0.0.0.0",
        "--disable-usage-stats",
        "--log-color=false",
    ]


class RayHeadProcess:
    """Ray below this process, in this process's cgroup."""

    def __init__(self, identity: Identity, arguments: list[str] | None = None) -> None:
        become_subreaper()
        self._identity = identity
        self._arguments = arguments or head_arguments(identity)
        self._child: subprocess.Popen[bytes] | None = None
        self._talk: socket.socket | None = None
        self._warm = False
        self._gcs: Gcs = GrpcGcs(identity.address, TOKEN)

    def warm(self) -> bool:
        if not self.is_running():
            self._spawn()
        if not self._warm and self._talk:
            try:
                self._warm = self._talk.recv(16) != b""
            except BlockingIOError:
                return False
        return self._warm

    def start(self) -> None:
        if not (self._warm and self._talk):
            raise RuntimeError("Ray is not warm")
        self._talk.send(json.dumps(self._arguments).encode() + b"\n")
        self._talk.close()
        self._talk, self._warm = None, False

    def is_running(self) -> bool:
        running = self._child is not None and self._child.poll() is None
        reap()
        return running

    def is_healthy(self) -> bool:
        try:
            nodes = self._gcs.alive_nodes()
        except (Unreachable, NotAdmitted, ValueError):
            return False
        return any(node.address == self._identity.address for node in nodes)

    def kill(self) -> bool:
        dead = kill_descendants()
        if dead and self._child:
            self._child.poll()
            self._child, self._warm = None, False
        return dead

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "node.launcher"],
                stdin=theirs.fileno(),
                env={**os.environ, **head_environment(self._identity)},
            )
        self._talk, self._warm = ours, False
