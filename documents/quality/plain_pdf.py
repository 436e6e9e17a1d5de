"""Write PDFs of plain text, to measure and to demonstrate with: lines in Helvetica. No AWS.

ISO 32000-1: objects, a cross-reference table, and text in WinAnsiEncoding, so of western languages.
"""

import textwrap
from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN, LEADING, SIZE = 595, 842, 60, 15, 11
COLUMNS = 88
FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"


def plain_pdf(pages: Sequence[str]) -> bytes:
    """Return a PDF; lines are wrapped, and what does not fit on its page runs off it."""
    numbers = range(4, 4 + 2 * len(pages), 2)
    kids = b" ".join(b"%d 0 R" % number for number in numbers)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages)),
        FONT,
    ]
    for number, text in zip(numbers, pages, strict=True):
        drawn = _drawn(text)
        objects += [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents %d 0 R"
            b"/Resources<</Font<</F 3 0 R>>>>>>" % (WIDTH, HEIGHT, number + 1),
            b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn),
        ]
    return written(objects)


def written(objects: Sequence[bytes]) -> bytes:
    """Return the file of these objects, numbered from 1; the first is the catalog."""
    parts, places, at = [b"%PDF-1.7\n"], list[int](), 9
    for number, content in enumerate(objects, 1):
        places.append(at)
        parts.append(b"%d 0 obj\n%s\nendobj\n" % (number, content))
        at += len(parts[-1])
    size = len(objects) + 1
    parts.append(b"xref\n0 %d\n0000000000 65535 f \n" % size)
    parts += [b"%010d 00000 n \n" % place for place in places]
    parts.append(b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, at))
    return b"".join(parts)


def _drawn(text: str) -> bytes:
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, COLUMNS) or [""]]
    top = HEIGHT - MARGIN
    shown = b"".join(b"(%s) Tj T*\n" % _escaped(line) for line in lines)
    return b"BT /F %d Tf %d TL %d %d Td\n%sET" % (SIZE, LEADING, MARGIN, top, shown)


def _escaped(line: str) -> bytes:
    coded = line.encode("cp1252", "replace")
    return coded.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
