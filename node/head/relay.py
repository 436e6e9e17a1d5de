"""Relay connections to Ray's ports from a standby to the leader. No AWS.

A load balancer needs two checks, at least 5 s apart, before it sends anything to a new leader
(docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html). So a
standby always takes traffic, and is a healthy target before it leads. systemd-socket-proxyd(8) does
the work, one process for each port, without privileges; these end before Ray needs the ports, and
so do their connections.
"""

import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

from node.contract import GUARD_PORT, RAY_PORTS
from node.log import WARNING, Log
from node.ray.users import as_user

PROXY = "/usr/lib/systemd/systemd-socket-proxyd"
# It takes its listening socket as descriptor 3 and wants its own process id (sd_listen_fds(3)).
START = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@" 3<&0 </dev/null'
CONNECTIONS = 4096
CONNECT_TIMEOUT = 1.0  # seconds; a health check waits four
RETRY_SECONDS = 5.0

Clock = Callable[[], float]


class Relay(Protocol):
    """What the guard needs of a relay. All but ``reaches`` return at once."""

    @property
    def is_open(self) -> bool:
        """True while connections are relayed."""

    def follow(self, address: str) -> None:
        """Relay to this address; a port that cannot be opened is logged, and tried again later."""

    def close(self) -> None:
        """Stop listening and close every connection; Ray can use the ports afterwards."""

    def reaches(self) -> bool:
        """Say whether the leader's host answers; for any thread, blocks for up to a second."""


class SocketProxies:
    """The relay of a real head, at its own address."""

    def __init__(
        self, own_address: str, *, clock: Clock, log: Log, program: str = PROXY, user: str = ""
    ) -> None:
        self._own_address, self._program, self._user = own_address, program, user
        self._clock, self._log = clock, log
        self._address = ""
        self._proxies: list[subprocess.Popen[bytes]] = []
        self._not_before = 0.0

    @property
    def is_open(self) -> bool:
        return bool(self._proxies)

    def follow(self, address: str) -> None:
        if address == self._address and (self._is_running() or self._clock() < self._not_before):
            return
        self.close()
        self._address, self._not_before = address, self._clock() + RETRY_SECONDS
        try:
            self._open(address)
        except OSError as error:
            self._end()
            self._log("relay not open", level=WARNING, address=address, error=error)
        else:
            self._log("relay open", address=address)

    def close(self) -> None:
        self._address = ""
        self._end()

    def reaches(self) -> bool:
        try:
            socket.create_connection((self._address, GUARD_PORT), CONNECT_TIMEOUT).close()
        except OSError:
            return False
        return True

    def _open(self, address: str) -> None:
        with ExitStack() as sockets:
            # All or none: a port in use fails before any process is started.
            listening = [sockets.enter_context(self._listen(port)) for port in RAY_PORTS]
            for port, listener in zip(RAY_PORTS, listening, strict=True):
                self._proxies.append(self._start(listener, f"{address}:{port}"))

    def _is_running(self) -> bool:
        return bool(self._proxies) and all(proxy.poll() is None for proxy in self._proxies)

    def _end(self) -> None:
        proxies, self._proxies = self._proxies, []
        for proxy in proxies:
            proxy.kill()
        for proxy in proxies:
            proxy.wait()

    def _listen(self, port: int) -> socket.socket:
        """Listen so that Ray can do so right after this has ended (SO_REUSEADDR)."""
        return socket.create_server((self._own_address, port), backlog=CONNECTIONS)

    def _start(self, listener: socket.socket, where: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/sh", "-c", START, self._program, f"--connections-max={CONNECTIONS}", where],
            stdin=listener.fileno(),
            **as_user(self._user, {**os.environ, "SYSTEMD_LOG_LEVEL": "crit"}),
        )
