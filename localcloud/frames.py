"""What the stand-in for AWS's plugin sends to a shell: what was typed, and its terminal's size.

Each frame is its kind, its length and its content; kinds and the form of a size are the plugin's
(github.com/aws/session-manager-plugin, src/message/clientmessage.go). No AWS.
"""

import json
import struct
from collections.abc import Iterator

HEADER = struct.Struct(">II")  # kind and length
TYPED, SIZE = 1, 3
LONGEST = 65_536


def typed(keys: bytes) -> bytes:
    """Return the frame of what was typed."""
    return HEADER.pack(TYPED, len(keys)) + keys


def size(columns: int, rows: int) -> bytes:
    """Return the frame of a terminal's size."""
    content = json.dumps({"cols": columns, "rows": rows}).encode()
    return HEADER.pack(SIZE, len(content)) + content


def read_size(content: bytes) -> tuple[int, int]:
    """Return columns and rows; raises ValueError or KeyError."""
    found = json.loads(content)
    return int(found["cols"]), int(found["rows"])


class Frames:
    """Frames in a stream, which comes in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, piece: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield kind and content of each frame that is whole now; raises ValueError."""
        self._rest += piece
        while len(self._rest) >= HEADER.size:
            kind, length = HEADER.unpack_from(self._rest)
            if length > LONGEST:
                raise ValueError(f"a frame of {length} bytes")
            end = HEADER.size + length
            if len(self._rest) < end:
                return
            content, self._rest = self._rest[HEADER.size : end], self._rest[end:]
            yield kind, content
