"""A command on a terminal of its own: pty(7). No AWS."""

import os
import pty
import signal
import subprocess
import termios
from collections.abc import Sequence

END_SECONDS = 2.0
PIECE = 65_536


class Terminal:
    """A running command and its terminal, whose other side this is."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start the command; raises OSError."""
        self._side, theirs = pty.openpty()
        os.set_blocking(self._side, False)
        try:
            # The terminal is the command's own, which so learns of its size and its end: by SIGHUP,
            # which we ignore if we were started by nohup(1).
            self._process = subprocess.Popen(
                ["env", "--default-signal=HUP", "setsid", "--ctty", *command],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
            )
        except OSError:
            os.close(self._side)
            raise
        finally:
            os.close(theirs)

    def fileno(self) -> int:
        """Return the descriptor to wait for with select."""
        return self._side

    def read(self) -> bytes:
        """Return what it has printed; nothing once the command has ended. When it may be read."""
        try:
            return os.read(self._side, PIECE)
        except OSError:  # EIO: no process has the terminal any more
            return b""

    def write(self, typed: bytes) -> int:
        """Type; return how many bytes the terminal has taken. When it may be written to."""
        try:
            return os.write(self._side, typed)
        except BlockingIOError:
            return 0
        except OSError:  # EIO: as above; no one reads it any more
            return len(typed)

    def resize(self, columns: int, rows: int) -> None:
        """Set its size."""
        termios.tcsetwinsize(self._side, (rows, columns))

    def close(self) -> None:
        """Hang up, which ends the command, or kill it if it does not end."""
        os.close(self._side)
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
