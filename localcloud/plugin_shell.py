"""This machine's terminal as that of a shell, in the stand-in for AWS's session-manager-plugin.

Follows github.com/aws/session-manager-plugin, src/sessionmanagerplugin/session/shellsession/: the
terminal neither echoes nor waits for whole lines, Ctrl-C and the like are typed on the other side,
and its size follows this one's. Without a terminal it ends where its input does, as AWS's plugin
(github.com/aws/amazon-ssm-agent/issues/354). How the command ended is not known here
(github.com/aws/amazon-ecs-agent/issues/2846). No AWS.
"""

import os
import select
import signal
import ssl
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from localcloud import frames

PIECE = 1024
LOOK_EVERY = 0.1
WITHOUT = (300, 100)  # the size without a terminal
KEYS = {signal.SIGINT: b"\x03", signal.SIGQUIT: b"\x1c", signal.SIGTSTP: b"\x1a"}


def shell(session_id: str, channel: ssl.SSLSocket) -> int:
    """Be the terminal of an open data channel until that is closed; return the exit code."""
    keys = bytearray()
    for number, key in KEYS.items():
        signal.signal(number, lambda *_, key=key: keys.extend(key))
    with unbuffered():
        ended = _exchange(channel, keys)
    if not ended:
        print("\nCannot perform start session: EOF")
    print(f"\n\nExiting session with sessionId: {session_id}.\n", flush=True)
    return 0


def _exchange(channel: ssl.SSLSocket, keys: bytearray) -> bool:
    """Pass on what is typed and show what is printed; say whether the other side has ended it."""
    shown = None
    while True:
        if (now := _size()) != shown:
            shown = now
            channel.sendall(frames.size(*now))
        if pressed := bytes(keys):
            channel.sendall(frames.typed(pressed))
            del keys[: len(pressed)]
        ready = [channel] if channel.pending() else _ready(channel)
        if channel in ready:
            if not (printed := channel.recv(PIECE)):
                return True
            sys.stdout.buffer.write(printed)
            sys.stdout.flush()
        if sys.stdin in ready:
            if not (piece := os.read(sys.stdin.fileno(), PIECE)):
                return False
            channel.sendall(frames.typed(piece))


def _ready(channel: ssl.SSLSocket) -> list[object]:
    return select.select([channel, sys.stdin], [], [], LOOK_EVERY)[0]


def _size() -> tuple[int, int]:
    try:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        return WITHOUT
    return columns, rows


@contextmanager
def unbuffered() -> Iterator[None]:
    """Neither echo nor wait for whole lines inside, where there is a terminal."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
