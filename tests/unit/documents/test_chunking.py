"""Chunks: never longer than asked, nothing lost, each with its page and heading."""

import re

from hypothesis import given
from hypothesis import strategies as st

from documents.chunking import Spans, chunks
from documents.parsing.section import Section


def words(text: str) -> Spans:
    return [match.span() for match in re.finditer(r"\S+", text)]


def cut(text: str, size: int = 20, overlap: int = 5, page: int = 1) -> list[str]:
    return [one.text for one in chunks([Section(page, "", text)], words, size, overlap)]


@given(
    st.text(alphabet="ab .\n!é\t", max_size=400),
    st.integers(min_value=2, max_value=30),
    st.integers(min_value=0, max_value=29),
)
def test_every_word_is_in_a_chunk_and_no_chunk_is_too_long(
    text: str, size: int, overlap: int
) -> None:
    found = cut(text, size, min(overlap, size - 1))

    assert all(0 < len(one.split()) <= size for one in found)
    joined = " ".join(found)
    assert all(word in joined for word in re.findall(r"[abé.!]{1,20}(?=\s)", text))


def test_neighbours_share_the_overlap() -> None:
    text = " ".join(f"w{n}" for n in range(45))

    found = cut(text, size=20, overlap=5)

    assert found[0].split()[-5:] == found[1].split()[:5]
    assert found[-1].split()[-1] == "w44"


def test_a_chunk_ends_where_a_sentence_does() -> None:
    text = "One two three four five six. " * 4

    assert all(one.endswith("six.") for one in cut(text, size=8, overlap=0))


def test_a_chunk_keeps_its_page_and_heading_and_never_crosses_them() -> None:
    sections = [
        Section(1, "Terms", "alpha " * 5),
        Section(2, "Terms > Notice", "beta " * 5),
        Section(3, "", ""),
    ]

    found = list(chunks(sections, words, 50, 5))

    assert [(one.number, one.page, one.heading) for one in found] == [
        (0, 1, "Terms"),
        (1, 2, "Terms > Notice"),
    ]
    assert found[1].embedded.startswith("Terms > Notice\nbeta")


def test_an_unbroken_run_of_letters_is_cut_too() -> None:
    found = cut("x" * 10_000, size=20, overlap=0)

    assert max(map(len, found)) == 20 * 24
    assert "".join(found) == "x" * 10_000
