"""The road from this machine to an environment's leader, and to hosts in its VPC. Touches AWS.

The road is chosen by looking once: directly, where the stable name resolves here and its port can
be connected to, as in the VPC or on a VPN; else through Session Manager, by way of the leader.
"""

import atexit
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from common.clients import Clients
from deploy.reach.plugin import NotReached, find_plugin
from deploy.reach.port_session import PortSession, open_session

LOCALHOST = "127.0.0.1"
CONNECT_SECONDS = 3.0
FRESH_SECONDS = 1.0  # for which the leader is not looked up again
NONE_LEADS = "no instance holds the head lease"

Address = tuple[str, int]  # host and port


class Road:
    """How ports of whoever leads are reached.

    ``name`` is the stable name; ``leader`` looks up the target of sessions with the leader, for an
    instance its id, empty when there is none, which ``missing`` says in words. Threads may share a
    road.
    """

    def __init__(
        self, clients: Clients, name: str, leader: Callable[[], str], missing: str = NONE_LEADS
    ) -> None:
        self._clients, self._name, self._leader, self._missing = clients, name, leader, missing
        self._direct: bool | None = None
        self._sessions: dict[int, PortSession] = {}
        self._led_by, self._looked = "", float("-inf")
        self._lock = threading.Lock()
        atexit.register(self.close)

    @property
    def words(self) -> str:
        """Say in a few words which road was chosen; empty before it was."""
        ways = {None: "", True: "directly", False: "through Session Manager"}
        return ways[self._direct]

    @property
    def led_by(self) -> str:
        """The target of sessions with the leader; empty when there is none."""
        return self._current_leader()

    def check(self, port: int) -> None:
        """Raise NotReached when there can be no road: neither directly nor by the plugin."""
        if not self._direct:
            can_reach(self._name, port)

    def address(self, port: int) -> Address:
        """Return where the leader's port is reached from here.

        Raises NotReached while there is no leader, or its agent is not connected, and without the
        plugin that Session Manager needs.
        """
        with self._lock:
            if self._direct is None and connects(self._name, port):
                self._direct = True
            if self._direct:
                return self._name, port
            return LOCALHOST, self._forwarded(port)

    def close(self) -> None:
        """End the sessions that are open."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.close()
        atexit.unregister(self.close)

    def _forwarded(self, port: int) -> int:
        """Return this machine's port of a session with whoever leads now."""
        leader = self._current_leader()
        session = self._sessions.get(port)
        if session and session.is_open and session.target == leader:
            return session.port
        if not leader:
            raise NotReached(self._missing)
        if session:
            del self._sessions[port]
            session.close()
        self._sessions[port] = open_session(self._clients, leader, port)
        self._direct = False
        return self._sessions[port].port

    def _current_leader(self) -> str:
        if time.monotonic() - self._looked > FRESH_SECONDS:
            self._led_by, self._looked = self._leader(), time.monotonic()
        return self._led_by


@contextmanager
def reach(
    clients: Clients, host: str, port: int, by_way_of: Callable[[], str]
) -> Iterator[Address]:
    """Yield an address of this machine, or the host's own, where a port of ``host`` is reached.

    ``host`` is a name or address in the VPC; ``by_way_of`` looks up the id of an instance that
    reaches it, empty when there is none. Raises as ``Road.address`` does.
    """
    if connects(host, port):
        yield host, port
        return
    instance = by_way_of()
    if not instance:
        raise NotReached(f"{host} is not reached from here, and {NONE_LEADS}")
    session = open_session(clients, instance, port, host)
    try:
        yield LOCALHOST, session.port
    finally:
        session.close()


def can_reach(host: str, port: int) -> None:
    """Raise NotReached when ``host`` can be reached neither directly nor by the plugin."""
    if not connects(host, port):
        find_plugin()


def connects(host: str, port: int) -> bool:
    """Say whether the name resolves here, and the port accepts a connection."""
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS):
            return True
    except OSError:
        return False
