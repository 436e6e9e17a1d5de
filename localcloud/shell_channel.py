"""The agent's end of a shell: between a data channel and a terminal in a container. No AWS."""

import select
import socket
import ssl
from contextlib import suppress

from localcloud.frames import SIZE, TYPED, Frames, read_size
from localcloud.patches.ssm.sessions import Session
from localcloud.terminal import Terminal
from localcloud.world import World

LOOK_EVERY = 0.2
PART_SECONDS = 5.0
PIECE = 65_536


class ShellChannel:
    """Passes on what is typed and printed until the command, the channel or the session ends."""

    def __init__(
        self, world: World, session: Session, channel: ssl.SSLSocket, terminal: Terminal
    ) -> None:
        self._world, self._session = world, session
        self._channel, self._terminal = channel, terminal
        self._frames = Frames()
        self._typed = b""  # what the terminal has not taken yet
        self._is_open = True

    def serve(self) -> None:
        """Serve it until it ends; then the terminal is closed."""
        try:
            while self._is_open and self._session.ended is None:
                self._step()
        finally:
            self._terminal.close()
        self._part()

    def _part(self) -> None:
        """Say that nothing more comes, and take what still does: a socket that is closed with
        something unread resets its connection, and what was printed last would be lost.
        """
        self._channel.settimeout(PART_SECONDS)
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)
            while self._channel.recv(PIECE):
                continue

    def _step(self) -> None:
        """Wait a moment for either side; nothing is read that the terminal has no room for."""
        if not self._typed and self._channel.pending():
            self._receive()
            return
        sources: list[ssl.SSLSocket | Terminal] = [self._terminal]
        if not self._typed:
            sources.append(self._channel)
        sinks = [self._terminal] if self._typed else []
        ready, free, _ = select.select(sources, sinks, [], LOOK_EVERY)
        if self._channel in ready:
            self._receive()
        if free:
            self._typed = self._typed[self._terminal.write(self._typed) :]
        if self._terminal in ready:
            self._print()

    def _receive(self) -> None:
        piece = self._channel.recv(PIECE)
        if not piece:
            self._is_open = False
        for kind, content in self._frames.take(piece):
            if kind == TYPED:
                self._typed += content
                self._session.used = self._world.clock.now()
            elif kind == SIZE:
                self._terminal.resize(*read_size(content))

    def _print(self) -> None:
        printed = self._terminal.read()
        if not printed:
            self._is_open = False
            return
        self._channel.sendall(printed)
        self._session.used = self._world.clock.now()
