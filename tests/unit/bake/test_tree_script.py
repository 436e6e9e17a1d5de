"""The script that takes a tree, run on folders that a test makes."""

import os
from hashlib import sha256
from pathlib import Path

import pytest

from bake import tree_script


def test_each_path_has_a_line_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir(mode=0o750)
    (tmp_path / "b" / "file").write_bytes(b"x" * (tree_script.PART + 1))
    (tmp_path / "a").symlink_to("b/../nowhere")
    os.mkfifo(tmp_path / "c", 0o600)
    (tmp_path / "b" / "file").chmod(0o4711)
    mine = (os.getuid(), os.getgid())

    found = list(tree_script.lines(tmp_path))

    content = sha256(b"x" * (tree_script.PART + 1)).hexdigest()
    assert found == [
        (f"{tmp_path}/a", "link", "0777", *mine, {}, "b/../nowhere"),
        (f"{tmp_path}/b", "folder", "0750", *mine, {}, ""),
        (f"{tmp_path}/c", "pipe", "0600", *mine, {}, ""),
        (f"{tmp_path}/b/file", "file", "4711", *mine, {}, content),
    ]


def test_a_links_target_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").touch()
    (tmp_path / "link").symlink_to("real")

    paths = [found[0] for found in tree_script.lines(tmp_path)]

    assert paths == [f"{tmp_path}/link", f"{tmp_path}/real", f"{tmp_path}/real/file"]


def test_extended_attributes_are_part_of_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.setxattr(tmp_path / "file", "user.note", b"\x01\xff")

    (found,) = tree_script.lines(tmp_path)

    assert found[5] == {"user.note": "01ff"}


def test_other_file_systems_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mount").mkdir()
    (tmp_path / "mount" / "file").touch()
    (tmp_path / "ours").touch()
    there = tree_script._status

    def status(path: Path) -> os.stat_result | None:
        found = there(path)
        assert found
        other = (found[0], found[1], found.st_dev + 1, *found[3:])
        return os.stat_result(other) if path.name == "mount" else found

    monkeypatch.setattr(tree_script, "_status", status)

    assert [found[0] for found in tree_script.lines(tmp_path)] == [f"{tmp_path}/ours"]
