"""Read and write the few protobuf fields that node/ needs. No AWS.

protobuf.dev/programming-guides/encoding: a tag is ``number << 3 | wire type``; 0 is a varint, 1
eight bytes, 2 length-delimited bytes, 5 four bytes. Ray's own generated classes would import all
of Ray: 70 MB and a second for two calls.
"""

from collections.abc import Iterator

Value = int | bytes


def counted(number: int, value: bytes) -> bytes:
    """Encode a bytes field of under 128 bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


def varint_field(number: int, value: int) -> bytes:
    """Encode an enum or a whole number, which is not negative."""
    encoded = [number << 3]
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def decoded(message: bytes) -> Iterator[tuple[int, Value]]:
    """Yield (field number, value); raises ValueError for a truncated message or an unknown type."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind, number = tag & 7, tag >> 3
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        size, at = _varint(message, at) if kind == 2 else ({1: 8, 5: 4}.get(kind, -1), at)
        if size < 0 or at + size > len(message):
            raise ValueError("not a protobuf message")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message):
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
    raise ValueError("not a protobuf message")
