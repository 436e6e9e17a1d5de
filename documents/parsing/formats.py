"""Which parser a file needs: by its name, and only if its content agrees. No AWS."""

import zipfile
from importlib import import_module
from pathlib import Path
from typing import cast

from documents.errors import Unreadable
from documents.parsing.section import Parse

# A format's name → the endings that a file of it may have.
ENDINGS = {
    "PDF": (".pdf",),
    "DOCX": (".docx",),
    "HTML": (".html", ".htm", ".xhtml"),
    "Markdown": (".md", ".markdown"),
    "text": (".txt", ".text", ".csv", ".log", ".rst"),
}
START = 4096
# ISO 32000-1, annex H: readers accept a header within the first 1024 bytes.
PDF_HEADER_WITHIN = 1024


def format_of(name: str, path: Path) -> str:
    """Return the format of a file; raises Unreadable when it has none that is read here.

    ``name`` is what its owner calls it, with the ending.
    """
    ending = Path(name).suffix.lower()
    named = next((kind for kind, endings in ENDINGS.items() if ending in endings), "")
    if not named:
        known = " ".join(end for endings in ENDINGS.values() for end in endings)
        raise Unreadable(
            f"files named {ending or 'without an ending'} are not read; these are: {known}"
        )
    found = _content(path)
    if found == named or (found == "text" and named in ("HTML", "Markdown")):
        return named
    raise Unreadable(f"wrong extension: named {ending}, but its content is {found}")


def parser(kind: str) -> Parse:
    """Return the parser of a format; its library is imported only then."""
    return cast(Parse, import_module(f"documents.parsing.{kind.lower()}").sections)


def _content(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(START)
    if not start:
        return "empty"
    if b"%PDF-" in start[:PDF_HEADER_WITHIN]:
        return "PDF"
    if start.startswith(b"PK\x03\x04"):
        return _archive(path)
    if start.startswith(b"\xd0\xcf\x11\xe0"):  # [MS-CFB]: also an encrypted DOCX
        return "an old or encrypted Office file"
    if b"\0" in start and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "binary"
    return "text"


def _archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            return "DOCX" if "word/document.xml" in archive.namelist() else "a ZIP archive"
    except zipfile.BadZipFile:
        return "a truncated or damaged ZIP archive"
