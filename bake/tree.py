"""The file trees of two images of the same digest, and what differs beyond the exceptions. No AWS.

tree_exceptions.toml has the exceptions, each a pattern of paths with its reason: ``content`` may
differ of a path that is otherwise the same, and of a ``path`` everything may, or it may be absent.
In a pattern (fnmatch(3)) ``*`` stands for slashes too.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property
from pathlib import Path

EXCEPTIONS = Path(__file__).with_name("tree_exceptions.toml")
CONTENT, PATH = "content", "path"
# Of a line of tree_script.py, after its path.
FIELDS = ("kind", "mode", "user", "group", "attributes", CONTENT)

Entry = tuple[object, ...]
Tree = Mapping[str, Entry]


def parse_tree(text: str) -> Tree:
    """Return what each path is, by path; raises ValueError for what tree_script.py never prints."""
    lines = (json.loads(line) for line in text.splitlines())
    tree = {path: tuple(fields) for path, *fields in lines}
    if any(len(entry) != len(FIELDS) for entry in tree.values()) or not tree:
        raise ValueError("not a tree")
    return tree


@dataclass(frozen=True)
class Exceptions:
    """What may differ: the reason by pattern, of contents and of whole paths."""

    content: Mapping[str, str]
    path: Mapping[str, str]

    @classmethod
    def read(cls, file: Path = EXCEPTIONS) -> "Exceptions":
        """Read the exceptions' file."""
        found = tomllib.loads(file.read_text())
        return cls(found[CONTENT], found[PATH])

    def normal(self, tree: Tree) -> Tree:
        """Return a tree without what may differ."""
        return {
            path: (*entry[:-1], "") if self._contents.match(path) else entry
            for path, entry in tree.items()
            if not self._paths.match(path)
        }

    def unused(self, differing: Iterable[str]) -> tuple[str, ...]:
        """Return the patterns that none of these paths matches."""
        paths = tuple(differing)
        return tuple(
            pattern
            for pattern in (*self.content, *self.path)
            if not any(map(re.compile(translate(pattern)).match, paths))
        )

    @cached_property
    def _contents(self) -> re.Pattern[str]:
        return _any_of(self.content)

    @cached_property
    def _paths(self) -> re.Pattern[str]:
        return _any_of(self.path)


@dataclass(frozen=True)
class Comparison:
    """Two trees without what may differ: a hash, and the number of paths, of each.

    ``differences`` has what each is in both, in the order of paths; ``None``: it is not there.
    ``excused`` are the paths that differ as an exception allows.
    """

    hashes: tuple[str, str]
    counts: tuple[int, int]
    differences: Mapping[str, tuple[Entry | None, Entry | None]]
    excused: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Return a line for each path that differs."""
        return tuple(f"{path}: {_what_differs(*pair)}" for path, pair in self.differences.items())


def compare(old: Tree, new: Tree, exceptions: Exceptions) -> Comparison:
    """Compare two trees."""
    before, after = exceptions.normal(old), exceptions.normal(new)
    differences = dict(_differences(before, after))
    excused = tuple(path for path, _ in _differences(old, new) if path not in differences)
    return Comparison(
        (root_hash(before), root_hash(after)), (len(before), len(after)), differences, excused
    )


def root_hash(tree: Tree) -> str:
    """Return one SHA-256 over all paths and what they are."""
    content = hashlib.sha256()
    for path in sorted(tree):
        content.update(json.dumps([path, *tree[path]], sort_keys=True).encode() + b"\n")
    return content.hexdigest()


def _differences(old: Tree, new: Tree) -> Iterator[tuple[str, tuple[Entry | None, Entry | None]]]:
    for path in sorted(old.keys() | new.keys()):
        pair = old.get(path), new.get(path)
        if pair[0] != pair[1]:
            yield path, pair


def _what_differs(old: Entry | None, new: Entry | None) -> str:
    if old is None or new is None:
        return f"only in the {'second' if old is None else 'first'}"
    fields = zip(FIELDS, old, new, strict=True)
    return ", ".join(f"{name} {was} → {now}" for name, was, now in fields if was != now)


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return an expression that matches what one of the patterns does; none matches nothing."""
    return re.compile("|".join(map(translate, patterns)) or r"(?!)")
