"""Parsers, in their own process: pages and headings of what is sound, reasons for what is not."""

import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from documents.errors import ParserLost, Unreadable
from documents.parsing import process as parsing_process
from documents.parsing.process import ParserProcess
from documents.parsing.section import Limits, Section
from documents.quality.plain_pdf import plain_pdf
from drills.documents.kit import poison
from tests.documents import files

LIMITS = Limits(
    max_bytes=2**30, max_pages=6000, max_characters=10**7, seconds=20, memory=256 * 2**20
)
Parse = Callable[..., list[Section]]


@pytest.fixture(scope="module")
def process() -> Iterator[ParserProcess]:
    with ParserProcess(LIMITS) as started:
        yield started


@pytest.fixture
def parse(process: ParserProcess, tmp_path: Path) -> Parse:
    def parsed(content: bytes, name: str) -> list[Section]:
        path = tmp_path / "document"
        path.write_bytes(content)
        return list(process.sections(path, name))

    return parsed


def test_pdf_has_pages_and_the_headings_of_its_outline(parse: Parse) -> None:
    content = files.pdf(["First page.", "Second page.", "Third."], ["Start", "Middle"])

    assert parse(content, "report.pdf") == [
        Section(1, "Start", "First page."),
        Section(2, "Middle", "Second page."),
        Section(3, "Middle", "Third."),
    ]


def test_a_page_without_text_is_a_page(parse: Parse) -> None:
    found = parse(files.pdf(["Text.", "", "Text."]), "scan.pdf")

    assert [(one.page, bool(one.text)) for one in found] == [(1, True), (2, False), (3, True)]


def test_docx_has_headings_pages_and_tables_with_their_columns_names(parse: Parse) -> None:
    content = files.word(
        [("Terms", "Thirty days."), ("Prices", "Per month.")],
        [["Plan", "Euro"], ["Small", "9"], ["Large", "90"]],
    )

    found = parse(content, "contract.docx")

    assert [(one.page, one.heading) for one in found] == [(1, "Terms"), (2, "Prices")]
    assert found[1].text.endswith("Per month.\nPlan: Small | Euro: 9\nPlan: Large | Euro: 90")


def test_html_leaves_out_what_is_not_shown(parse: Parse) -> None:
    found = parse(
        b"<html><head><title>T</title><style>p{}</style></head><body><h1>Top</h1><p>One"
        b"<script>x()</script> &amp; two<h2>Deep</h2><table><tr><th>City<th>Rain</tr>"
        b"<tr><td>Oslo<td>8</tr></table></body></html>",
        "page.html",
    )

    assert [(one.heading, " ".join(one.text.split())) for one in found] == [
        ("Top", "Top One & two"),
        ("Top > Deep", "Deep City: Oslo | Rain: 8"),
    ]


def test_markdown_has_headings_tables_and_code(parse: Parse) -> None:
    found = parse(
        b"# Guide\n\nRead *this*.\n\n## Sizes\n\n| Size | Price |\n|---|---|\n| S | 1 |\n\n"
        b"```\nrun it\n```\n",
        "guide.md",
    )

    assert [(one.heading, one.text) for one in found] == [
        ("Guide", "Guide\nRead this."),
        ("Guide > Sizes", "Sizes\nSize: S | Price: 1\nrun it\n"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_of_any_encoding_is_read(parse: Parse, encoding: str) -> None:
    text = "Der Vertrag läuft nach dreißig Tagen für beide Parteien aus. Überprüfen Sie die Größe."

    assert parse(f"{text}\f{text}".encode(encoding), "vertrag.txt") == [
        Section(1, "", text),
        Section(2, "", text),
    ]


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (files.pdf(["Secret."], password="user"), "a.pdf", "encrypted: it opens only with a"),
        (files.pdf(["Long. " * 900] * 9)[:-2000], "a.pdf", "truncated"),
        (b"%PDF-1.7\nnothing of the kind\n%%EOF", "a.pdf", "damaged"),
        (files.endless_pages(), "a.pdf", "damaged"),
        (files.pdf(["Text."]), "a.docx", "wrong extension: named .docx, but its content is PDF"),
        (files.word([("A", "b")]), "a.pdf", "wrong extension: named .pdf, but its content is DOCX"),
        (files.word([("A", "b")])[:-900], "a.docx", "a truncated or damaged ZIP archive"),
        (b"\x7fELF\0\0", "a.txt", "its content is binary"),
        (b"", "a.md", "its content is empty"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "a.docx", "an old or encrypted Office file"),
        (b"text", "a.xyz", "files named .xyz are not read"),
    ],
)
def test_what_cannot_be_read_says_why(parse: Parse, content: bytes, name: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        parse(content, name)


def test_a_pdf_that_unpacks_to_a_gigabyte_ends_alone(parse: Parse) -> None:
    with pytest.raises((ParserLost, Unreadable)):
        parse(poison.bomb(1024), "bomb.pdf")

    assert parse(files.pdf(["Next."]), "next.pdf") == [Section(1, "", "Next.")]


def test_a_docx_that_unpacks_to_too_much_is_not_unpacked(parse: Parse) -> None:
    with pytest.raises(Unreadable, match="too big when it is unpacked: 600 MiB"):
        parse(files.word_bomb(600), "bomb.docx")


@pytest.mark.parametrize("content", [poison.endless_form(), files.nested_arrays(100_000)])
def test_recursive_objects_end_within_the_limits(parse: Parse, content: bytes) -> None:
    began = time.monotonic()
    try:
        found = parse(content, "recursive.pdf")
    except (ParserLost, Unreadable):
        found = []

    assert "".join(one.text for one in found) == ""
    assert time.monotonic() - began < 5 * LIMITS.seconds


def test_more_pages_or_characters_than_allowed_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "document"
    path.write_bytes(b"12345678\f" * 5)
    small = Limits(2**20, max_pages=4, max_characters=30, seconds=5, memory=2**28)
    with ParserProcess(small) as process:
        with pytest.raises(Unreadable, match="more than 30 characters"):
            list(process.sections(path, "a.txt"))
        path.write_bytes(b"1\f" * 5)
        with pytest.raises(Unreadable, match="more than 4 pages"):
            list(process.sections(path, "a.txt"))


def test_a_parser_that_takes_too_long_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing_process, "SILENT", 60)  # other programs may have the CPUs
    path = tmp_path / "document"
    path.write_bytes(plain_pdf(["Page. " * 400] * 3000))
    hasty = Limits(2**30, 10**6, 10**9, seconds=1, memory=2**29)
    with ParserProcess(hasty) as process, pytest.raises(ParserLost, match="1 s of CPU"):
        list(process.sections(path, "slow.pdf"))


def test_a_parser_that_says_nothing_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing_process, "SILENT", 0)
    path = tmp_path / "document"
    path.write_bytes(plain_pdf(["Page."]))
    limits = Limits(2**30, 10**6, 10**9, seconds=60, memory=2**29)
    with ParserProcess(limits) as process, pytest.raises(ParserLost, match="did nothing for 0 s"):
        list(process.sections(path, "a.pdf"))


def test_five_thousand_pages_take_no_more_memory_than_a_few(
    process: ParserProcess, tmp_path: Path
) -> None:
    path = tmp_path / "document"
    path.write_bytes(plain_pdf([f"Page {number}. " + "word " * 100 for number in range(5000)]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    last = sum(section.text.startswith("Page ") for section in process.sections(path, "long.pdf"))

    assert last == 5000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB
