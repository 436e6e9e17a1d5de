"""DOCX by python-docx: headings by style, pages where Word last broke them. No AWS."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import docx
from docx.table import Table
from docx.text.paragraph import Paragraph

from documents.errors import Unreadable
from documents.parsing.section import Headings, Section, rows_as_text

# Of all its parts, unpacked. Words compress to a tenth; zeros to a thousandth.
MAX_UNPACKED = 512 * 2**20
PAGE_BREAK = 'w:br[@w:type="page"]'


def sections(path: Path) -> Iterator[Section]:
    """Yield the text below each heading, cut where a page ends."""
    _check_archive(path)
    try:
        document = docx.Document(str(path))
    except Exception as error:  # python-docx passes on what zipfile, lxml and itself raise
        raise Unreadable(f"damaged: no Word document can be read from it: {error}") from error
    headings, page, lines = Headings(), 1, list[str]()
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            lines.append(rows_as_text([[cell.text for cell in row.cells] for row in block.rows]))
            continue
        level = _level(block)
        breaks = _page_breaks(block)
        if (level or breaks) and any(lines):
            yield Section(page, str(headings), "\n".join(lines))
            lines = []
        page += breaks
        if level:
            headings.add(level, block.text)
        lines.append(block.text)
    yield Section(page, str(headings), "\n".join(lines))


def _level(block: Paragraph) -> int:
    """Return 1 for a title or ``Heading 1``, and so on; 0 for other text."""
    name = (block.style.name if block.style else "") or ""
    if name == "Title":
        return 1
    number = name.removeprefix("Heading ")
    return int(number) if name.startswith("Heading ") and number.isdigit() else 0


def _page_breaks(block: Paragraph) -> int:
    # Word marks where a page ended when it last saved, and that includes the breaks of the writer.
    return len(block.rendered_page_breaks) or len(block._p.xpath(f".//{PAGE_BREAK}"))


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except zipfile.BadZipFile as error:
        raise Unreadable("truncated or damaged: it is no whole ZIP archive") from error
    if size > MAX_UNPACKED:
        raise Unreadable(
            f"too big when it is unpacked: {size // 2**20} MiB; the limit is "
            f"{MAX_UNPACKED // 2**20} MiB"
        )
