"""What differs between two trees, and what may."""

import json
import re
from pathlib import Path

import pytest

from bake.tree import EXCEPTIONS, Entry, Exceptions, Tree, compare, parse_tree

NONE = Exceptions({}, {})


def a_file(content: str, mode: str = "0644") -> Entry:
    return ("file", mode, 0, 0, {}, content)


def test_a_tree_is_read_line_by_line() -> None:
    lines = [["/etc", "folder", "0755", 0, 0, {}, ""], ["/etc/os", "link", "0777", 0, 0, {}, "up"]]

    tree = parse_tree("\n".join(map(json.dumps, lines)))

    assert tree == {
        "/etc": ("folder", "0755", 0, 0, {}, ""),
        "/etc/os": ("link", "0777", 0, 0, {}, "up"),
    }


@pytest.mark.parametrize("text", ["", '["/etc", "folder"]'])
def test_what_is_no_tree_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a tree"):
        parse_tree(text)


def test_the_same_trees_have_the_same_hash_and_no_difference() -> None:
    tree = {"/a": a_file("1"), "/b": a_file("2")}

    found = compare(tree, dict(reversed(tree.items())), NONE)

    assert found.hashes[0] == found.hashes[1]
    assert re.fullmatch("[0-9a-f]{64}", found.hashes[0])
    assert (found.counts, found.words) == ((2, 2), ())


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ({"/a": a_file("2")}, "/a: content 1 → 2"),
        ({"/a": a_file("1", mode="4755")}, "/a: mode 0644 → 4755"),
        ({"/a": ("file", "0644", 7, 8, {}, "1")}, "/a: user 0 → 7, group 0 → 8"),
        ({"/a": ("link", "0644", 0, 0, {}, "1")}, "/a: kind file → link"),
        (
            {"/a": ("file", "0644", 0, 0, {"security.capability": "01"}, "1")},
            "/a: attributes {} → {'security.capability': '01'}",
        ),
        ({"/a": a_file("1"), "/b": a_file("1")}, "/b: only in the second"),
    ],
)
def test_whatever_differs_of_a_path_is_named(new: Tree, words: str) -> None:
    found = compare({"/a": a_file("1")}, new, NONE)

    assert found.words == (words,)
    assert found.hashes[0] != found.hashes[1]


def test_differences_are_in_the_order_of_paths() -> None:
    found = compare({"/z": a_file("1"), "/b": a_file("1")}, {"/a": a_file("1")}, NONE)

    assert [words.partition(":")[0] for words in found.words] == ["/a", "/b", "/z"]


def test_an_excepted_content_may_differ_and_nothing_else_of_its_path() -> None:
    exceptions = Exceptions({"/id": "each has its own"}, {})
    old = {"/id": a_file("1")}

    assert compare(old, {"/id": a_file("2")}, exceptions).words == ()
    assert compare(old, {"/id": a_file("2", mode="0666")}, exceptions).words == (
        "/id: mode 0644 → 0666",
    )
    assert compare(old, {}, exceptions).words == ("/id: only in the first",)


def test_an_excepted_path_may_be_absent_and_does_not_count() -> None:
    exceptions = Exceptions({}, {"/log/*": "each boot writes its own"})

    found = compare({"/a": a_file("1"), "/log/b/c": a_file("1")}, {"/a": a_file("1")}, exceptions)

    assert (found.words, found.counts, found.excused) == ((), (1, 1), ("/log/b/c",))
    assert found.hashes[0] == found.hashes[1]


def test_an_exception_that_no_difference_needs_is_named() -> None:
    exceptions = Exceptions({"/id": "", "/same": ""}, {"/log/*": "", "/gone/*": ""})
    old = {"/id": a_file("1"), "/same": a_file("1"), "/log/a": a_file("1")}
    new = {"/id": a_file("2"), "/same": a_file("1")}

    found = compare(old, new, exceptions)

    assert exceptions.unused(found.excused) == ("/same", "/gone/*")


def test_each_exception_has_a_reason() -> None:
    exceptions = Exceptions.read()

    assert all(len(why) > 10 for why in (*exceptions.content.values(), *exceptions.path.values()))
    assert all(one.startswith("/") for one in (*exceptions.content, *exceptions.path))


def test_no_exception_hides_what_is_ours() -> None:
    exceptions = Exceptions.read(Path(EXCEPTIONS))
    ours = (
        *("/opt/ray/bin/ray", "/opt/ray/lib/python3.11/site-packages/ray/__init__.py"),
        *("/opt/raykiln/node/contract.py", "/etc/systemd/system/ray-head.service"),
        *("/etc/raykiln/image.json", "/etc/raykiln/software.json", "/usr/local/bin/ray"),
    )
    tree = dict.fromkeys(ours, a_file("1"))

    assert exceptions.normal(tree) == tree
