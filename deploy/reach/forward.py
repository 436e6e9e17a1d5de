"""A port of this machine that leads to a port of whoever leads, also after a failover. No AWS.

The port stays open while the road behind it changes, so that clients need not know of that.
"""

import socket
import threading
import time
from contextlib import suppress

from deploy.reach.plugin import NotReached
from deploy.reach.road import LOCALHOST, Road

# How long a connection is held while no instance leads; a failover takes less.
HOLD_SECONDS = 60.0
AGAIN_SECONDS = 0.5
CONNECT_SECONDS = 5.0
PIECE = 65_536


def listen(port: int) -> socket.socket:
    """Return a listener on a port of this machine, any when 0; raises OSError when it is taken."""
    return socket.create_server((LOCALHOST, port))


class Forward:
    """Passes each connection to ``listener`` on to ``port`` of the leader, until it is closed."""

    def __init__(self, listener: socket.socket, road: Road, port: int) -> None:
        self._listener, self._road, self._port = listener, road, port
        self._closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def local_port(self) -> int:
        """The port of this machine."""
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """Accept no more connections; those that are open end with the road."""
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes up who accepts
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near:
            far = self._connected()
            if far is None:
                return
            with far:
                back = threading.Thread(target=_pass_on, args=(far, near), daemon=True)
                back.start()
                _pass_on(near, far)
                back.join()

    def _connected(self) -> socket.socket | None:
        """Return a connection to whoever leads; None when there is none in time."""
        deadline = time.monotonic() + HOLD_SECONDS
        while time.monotonic() < deadline and not self._closed.is_set():
            with suppress(OSError, NotReached):
                return socket.create_connection(self._road.address(self._port), CONNECT_SECONDS)
            time.sleep(AGAIN_SECONDS)
        return None


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    """Pass bytes on until one end has closed; then both are."""
    source.settimeout(None)
    with suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    for one in (source, sink):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
