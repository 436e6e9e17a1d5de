"""Files to add: all that the pipeline would refuse at sight is refused before anything is sent."""

import os
from pathlib import Path

import pytest

from common.errors import Refused
from deploy.documents.local_files import local_files

MIB = 2**20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two documents, what is none, and a hidden file."""
    folder = tmp_path / "notes"
    (folder / "2026").mkdir(parents=True)
    (folder / "a.md").write_text("# A")
    (folder / "2026/b.txt").write_text("b")
    (folder / "photo.png").write_bytes(b"\x89PNG\0")
    (folder / ".a.md.swp").write_text("x")
    return folder


def test_a_file_is_called_by_its_name_and_one_in_a_folder_by_its_path(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "report.txt").write_text("text")

    found = local_files([str(tmp_path / "report.txt"), f"{folder}/"], MIB)

    assert [file.key for file in found.files] == [
        "input/report.txt",
        "input/notes/2026/b.txt",
        "input/notes/a.md",
    ]
    assert found.left_out == ("notes/photo.png",)
    assert found.size == 8


def test_the_folder_that_one_is_in_has_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)

    assert [file.name for file in local_files(["."], MIB).files] == [
        "notes/2026/b.txt",
        "notes/a.md",
    ]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.exe", b"MZ", "files named .exe are not read"),
        ("a.pdf", b"text", "wrong extension: named .pdf, but its content is text"),
        ("a.txt", b"", "its content is empty"),
        ("a.txt", b"x" * 101, "too big"),
    ],
)
def test_what_would_fail_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(Refused) as caught:
        local_files([str(tmp_path / name)], 100)
    assert f"{tmp_path / name}: " in caught.value.message
    assert words in caught.value.message
    assert caught.value.hint == "nothing was uploaded"


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"{number}.pdf").write_text("text")

    with pytest.raises(Refused) as caught:
        local_files([str(tmp_path / f"{number}.pdf") for number in range(25)], MIB)

    assert caught.value.message.count("wrong extension") == 20
    assert "and 5 more" in caught.value.message


def test_what_is_not_there_and_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    missing = tmp_path / "missing.txt"

    with pytest.raises(Refused) as caught:
        local_files([str(missing), str(tmp_path / "pipe.txt")], MIB)

    assert f"{missing}: No such file or directory" in caught.value.message
    assert "pipe.txt: it is no file" in caught.value.message


def test_two_files_of_one_name_are_refused_and_one_named_twice_is_one(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.txt").write_text(place)

    with pytest.raises(Refused, match=r"has the same name, a\.txt"):
        local_files([str(tmp_path / "one/a.txt"), str(tmp_path / "two/a.txt")], MIB)
    assert len(local_files([str(tmp_path / "one/a.txt")] * 2, MIB).files) == 1


@pytest.mark.parametrize("paths", [[], ["empty"]])
def test_nothing_to_add_is_refused(
    paths: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(Refused):
        local_files(paths, MIB)
