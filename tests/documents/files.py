"""Documents to parse: PDFs, Word documents, and what hostile ones look like."""

import zipfile
from collections.abc import Sequence
from io import BytesIO

import docx
from docx.enum.text import WD_BREAK
from fpdf import FPDF
from fpdf.enums import AccessPermission

from documents.quality.plain_pdf import written


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


def endless_pages() -> bytes:
    """Return a PDF whose page tree has itself as a child."""
    return written([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>"])


def nested_arrays(depth: int) -> bytes:
    """Return a PDF with an array in an array, and so on."""
    deep = b"[" * depth + b"]" * depth
    return written(
        [
            b"<</Type/Catalog/Pages 2 0 R/Deep " + deep + b">>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>",
        ]
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
