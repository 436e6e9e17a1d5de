"""PDF by PDFium. Headings are those of the outline. No AWS."""

from collections.abc import Iterator
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from documents.errors import Unreadable
from documents.parsing.section import Headings, Section

# ISO 32000-1, annex H: readers look for %%EOF in the last 1024 bytes.
END_WITHIN = 1024
REASONS = {
    raw.FPDF_ERR_PASSWORD: "encrypted: it opens only with a password",
    raw.FPDF_ERR_FORMAT: "damaged: PDFium finds no PDF structure in it",
    raw.FPDF_ERR_SECURITY: "encrypted in a way that PDFium does not know",
}


def sections(path: Path) -> Iterator[Section]:
    """Yield each page, with no text where it has none: scanned pages would need OCR."""
    _check_end(path)
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        code = getattr(error, "err_code", None)
        raise Unreadable(REASONS.get(code, f"damaged: {error}")) from error
    try:
        if not len(document):
            raise Unreadable("damaged: it has no pages")
        yield from _pages(document)
    finally:
        document.close()


def _pages(document: pdfium.PdfDocument) -> Iterator[Section]:
    titles, headings = _outline(document), Headings()
    for index in range(len(document)):
        for level, title in titles.get(index, ()):
            headings.add(level, title)
        yield Section(index + 1, str(headings), _text(document, index))


def _text(document: pdfium.PdfDocument, index: int) -> str:
    try:
        page = document[index]
        try:
            text = page.get_textpage()
            found = str(text.get_text_bounded())
            text.close()
        finally:
            page.close()
    except pdfium.PdfiumError as error:
        raise Unreadable(f"damaged: page {index + 1} cannot be read: {error}") from error
    return found.replace("\r\n", "\n").replace("\ufffe", "")  # PDFium's mark of a hyphen


def _outline(document: pdfium.PdfDocument) -> dict[int, list[tuple[int, str]]]:
    """Return the titles of the outline by the index of their page."""
    found: dict[int, list[tuple[int, str]]] = {}
    for bookmark in document.get_toc(max_depth=6):
        destination = bookmark.get_dest()
        index = destination.get_index() if destination else None
        if index is not None:
            found.setdefault(index, []).append((bookmark.level, bookmark.get_title()))
    return found


def _check_end(path: Path) -> None:
    """PDFium opens a truncated file and shows the pages that are left; we must not."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - END_WITHIN))
        if b"%%EOF" not in file.read():
            raise Unreadable("truncated: it does not end as a PDF does (%%EOF)")
