"""Ray's head as processes of this machine: warm them up, start, check and kill them. No AWS."""

import json
import os
import socket
import subprocess
import sys
import time
from typing import NamedTuple

from node.identity import Identity
from node.ray.autoscaler_process import AutoscalerProcess
from node.ray.gcs import Gcs, NotAdmitted, Unreachable
from node.ray.launches import Launches, RefusedLaunches
from node.ray.processes import become_subreaper, kill_descendants, reap
from node.ray.start_settings import head_arguments, head_environment
from node.ray.users import as_user


class Launcher(NamedTuple):
    """The process that imports Ray ahead of time (launcher.py), and our end of the socket to it."""

    process: "subprocess.Popen[bytes]"
    talk: socket.socket


def spawn_launcher(identity: Identity, user: str) -> Launcher:
    """Begin to import Ray in a process below this one."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "node.ray.launcher"],
            stdin=theirs.fileno(),
            **as_user(user, _environment(identity)),
        )
    return Launcher(process, ours)


def _environment(identity: Identity) -> dict[str, str]:
    return {**os.environ, **head_environment(identity)}


class RayHeadProcess:
    """Ray in processes below this one, in its cgroup, as ``user``; its autoscaler as another.

    Without names, both run as this process. ``launcher`` is one that has been spawned already.
    """

    def __init__(
        self,
        identity: Identity,
        gcs: Gcs,
        launches: Launches,
        *,
        user: str = "",
        autoscaler_user: str = "",
        launcher: Launcher | None = None,
    ) -> None:
        become_subreaper()
        self._identity, self._gcs, self._launches = identity, gcs, launches
        self._user, self._autoscaler_user = user, autoscaler_user
        self._autoscaler = AutoscalerProcess(self._spawn_autoscaler)
        self._child: subprocess.Popen[bytes] | None = None
        self._talk: socket.socket | None = None
        if launcher:
            self._child, self._talk = launcher
        self._warm = False

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
        self._talk.send(json.dumps(head_arguments(self._identity)).encode() + b"\n")
        self._talk.close()
        self._talk, self._warm = None, False
        self._autoscaler.start()

    def is_running(self) -> bool:
        running = self._child is not None and self._child.poll() is None
        self._autoscaler.step()
        reap()
        return running

    def is_healthy(self) -> bool:
        try:
            nodes = self._gcs.alive_nodes()
        except (Unreachable, NotAdmitted, ValueError):
            return False
        return any(node.address == self._identity.address for node in nodes)

    def kill(self) -> bool:
        self._autoscaler.forget()
        dead = kill_descendants()
        if dead and self._child:
            self._child.poll()
            self._child, self._warm = None, False
        return dead

    def autoscaler_round(self) -> int:
        return self._gcs.autoscaler_round()

    def restart_autoscaler(self) -> None:
        self._autoscaler.kill()

    def refused_launches(self) -> RefusedLaunches:
        return self._launches.refused(time.time())

    def _spawn(self) -> None:
        self._child, self._talk = spawn_launcher(self._identity, self._user)
        self._warm = False

    def _spawn_autoscaler(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", "node.ray.autoscaler", self._identity.address],
            stdin=subprocess.DEVNULL,
            **as_user(self._autoscaler_user, _environment(self._identity)),
        )
