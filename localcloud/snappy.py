"""Unpack what is compressed with Snappy, as Prometheus' remote write is. No AWS.

The block format of https://github.com/google/snappy/blob/main/format_description.txt: the length,
then literals and copies of what came before. Nothing in the locks unpacks it.
"""


def unpacked(data: bytes, most: int) -> bytes:
    """Return what was compressed; raises ValueError for anything else, or more than ``most``."""
    length, at = _length(data)
    if length > most:
        raise ValueError(f"{length} bytes, more than {most}")
    found = bytearray()
    while at < len(data) and len(found) <= length:
        tag, at = data[at], at + 1
        if tag & 3 == 0:
            size, at = _literal_size(data, tag >> 2, at)
            found += data[at : at + size]
            at += size
            continue
        wide = {1: 1, 2: 2, 3: 4}[tag & 3]
        offset = int.from_bytes(data[at : at + wide], "little")
        at += wide
        size = (tag >> 2) + 1
        if wide == 1:
            size, offset = (tag >> 2 & 7) + 4, offset | tag >> 5 << 8
        if not 0 < offset <= len(found):
            raise ValueError("a copy of what is not there")
        for _ in range(size):  # a copy may overlap itself
            found.append(found[-offset])
    if len(found) != length or at != len(data):
        raise ValueError("not compressed with Snappy")
    return bytes(found)


def _length(data: bytes) -> tuple[int, int]:
    value = 0
    for at, byte in enumerate(data[:5]):
        value |= (byte & 0x7F) << 7 * at
        if byte < 0x80:
            return value, at + 1
    raise ValueError("not compressed with Snappy")


def _literal_size(data: bytes, size: int, at: int) -> tuple[int, int]:
    """Return a literal's size, and where it begins; from 60 on, so many bytes hold the size."""
    if size < 60:
        return size + 1, at
    wide = size - 59
    return int.from_bytes(data[at : at + wide], "little") + 1, at + wide
