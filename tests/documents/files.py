"""Documents to parse: PDFs, Word documents, and what hostile ones look like."""

import zipfile
import zlib
from collections.abc import Sequence
from io import BytesIO

import docx
from docx.enum.text import WD_BREAK
from fpdf import FPDF
from fpdf.enums import AccessPermission


def pdf(pages: Sequence[str], titles: Sequence[str] = (), password: str = "") -> bytes:
    """Return a PDF with these pages; each title is an entry of the outline at its page."""
    writer = FPDF()
    writer.set_font("Helvetica", size=11)
    if password:
        writer.set_encryption("owner", password, permissions=AccessPermission.none())
    for at, text in enumerate(pages):
        writer.add_page()
        if at < len(titles):
            writer.start_section(titles[at])
        writer.multi_cell(0, 5, text)
    return bytes(writer.output())


def word(sections: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]] = ()) -> bytes:
    """Return a DOCX with a heading and text for each section, a page each, and a table."""
    document = docx.Document()
    for at, (heading, text) in enumerate(sections):
        if at:
            document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
        document.add_heading(heading, level=1)
        document.add_paragraph(text)
    if rows:
        table = document.add_table(len(rows), len(rows[0]))
        for row, values in zip(table.rows, rows, strict=True):
            for cell, value in zip(row.cells, values, strict=True):
                cell.text = value
    found = BytesIO()
    document.save(found)
    return found.getvalue()


def raw_pdf(*objects: bytes) -> bytes:
    """Return a PDF of these objects, numbered from 1; the first is the catalog."""
    parts, places, at = [b"%PDF-1.7\n"], list[int](), 9
    for number, content in enumerate(objects, 1):
        places.append(at)
        parts.append(b"%d 0 obj\n%s\nendobj\n" % (number, content))
        at += len(parts[-1])
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    head = b"xref\n0 %d\n0000000000 65535 f \n" % size
    tail = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (size, at)
    return b"".join([*parts, head, table, tail])


def plain_pdf(pages: Sequence[str]) -> bytes:
    """Return a PDF of many pages in no time: a line of text each."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>"
        % (b" ".join(b"%d 0 R" % (4 + 2 * at) for at in range(len(pages))), len(pages)),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for at, text in enumerate(pages):
        drawn = b"BT /F 9 Tf 9 99 Td (%s) Tj ET" % text.encode("latin-1")
        objects += [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9999 199]/Contents %d 0 R"
            b"/Resources<</Font<</F 3 0 R>>>>>>" % (5 + 2 * at),
            b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn),
        ]
    return raw_pdf(*objects)


def bomb(mebibytes: int) -> bytes:
    """Return a PDF whose one page is that much of operators, compressed to a thousandth."""
    packer, block = zlib.compressobj(1), b"q " * 2**19
    packed = b"".join(packer.compress(block) for _ in range(mebibytes)) + packer.flush()
    return raw_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R>>",
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed),
    )


def endless_pages() -> bytes:
    """Return a PDF whose page tree has itself as a child."""
    return raw_pdf(b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>")


def endless_form() -> bytes:
    """Return a PDF whose page draws a form that draws itself, twice."""
    stream = b"/F Do /F Do"
    return raw_pdf(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 5 0 R"
        b"/Resources<</XObject<</F 4 0 R>>>>>>",
        b"<</Type/XObject/Subtype/Form/BBox[0 0 99 99]/Resources<</XObject<</F 4 0 R>>>>"
        b"/Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
    )


def nested_arrays(depth: int) -> bytes:
    """Return a PDF with an array in an array, and so on."""
    deep = b"[" * depth + b"]" * depth
    return raw_pdf(
        b"<</Type/Catalog/Pages 2 0 R/Deep " + deep + b">>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>",
    )


def word_bomb(mebibytes: int) -> bytes:
    """Return a DOCX whose text is that many zeros, compressed to a thousandth."""
    found = BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w") as part:
            for _ in range(mebibytes):
                part.write(bytes(2**20))
    return found.getvalue()
