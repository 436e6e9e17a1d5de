"""Files that a person asked for are whole, or as they were."""

import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import Refused
from common.whole_file import write_files

ROOM = 1000  # bytes


@pytest.fixture
def little_room() -> Iterator[None]:
    """No file may be longer than ``ROOM``, as on a disk that is full: setrlimit(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_files_are_written_with_the_mode_that_new_ones_have(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    first, second = tmp_path / "a", tmp_path / "b"

    write_files({first: "ä\n", second: "2"}, hint="")

    assert (first.read_bytes(), second.read_text()) == ("ä\n".encode(), "2")
    assert first.stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "plain"]


@pytest.mark.usefixtures("little_room")
def test_without_room_for_all_there_is_none_and_an_old_one_stays(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    second.write_text("old")

    with pytest.raises(Refused) as refused:
        write_files({first: "1", second: "2" * (ROOM + 1)}, hint="name another")

    assert str(refused.value) == f"{second}: File too large\n  → name another"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert second.read_text() == "old"


def test_what_is_replaced_keeps_its_mode_and_a_link_stays_one(tmp_path: Path) -> None:
    file, link = tmp_path / "a", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)

    write_files({link: "new"}, hint="")

    assert link.is_symlink()
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o640)


def test_a_device_is_written_to(capfd: pytest.CaptureFixture[str]) -> None:
    write_files({Path("/dev/stdout"): "text\n"}, hint="")

    assert capfd.readouterr().out == "text\n"
    assert Path("/dev/stdout").is_symlink()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("folder", "Is a directory"), ("file/a", "Not a directory"), ("b/a", "No such file")],
)
def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    with pytest.raises(Refused) as refused:
        write_files({tmp_path / name: "text"}, hint="name another")

    assert refused.value.message.startswith(f"{tmp_path / name}: {reason}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
