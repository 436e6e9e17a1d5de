"""The files that are to be added: found, named, and checked before the first upload. No AWS.

Whether a document can be read is for the pipeline to find; what it would refuse by its name, its
first bytes or its size is said here, where nothing has been changed yet.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import Refused
from documents.errors import Unreadable
from documents.identity import INPUT
from documents.parsing.formats import ENDINGS, format_of

KNOWN = tuple(end for endings in ENDINGS.values() for end in endings)
# docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html: up to 1024 bytes of UTF-8.
LONGEST_KEY = 1024
SHOWN = 20


@dataclass(frozen=True)
class LocalFile:
    """A file, what it is called below ``input/``, and its bytes."""

    path: Path
    name: str
    size: int

    @property
    def key(self) -> str:
        """Its object's key."""
        return INPUT + self.name

    @property
    def words(self) -> str:
        """What a person knows it by."""
        return str(self.path)


@dataclass(frozen=True)
class LocalFiles:
    """The files to add, and those of folders that are left out: no format of ours."""

    files: tuple[LocalFile, ...]
    left_out: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Their bytes."""
        return sum(file.size for file in self.files)


def local_files(paths: Sequence[str], max_bytes: int) -> LocalFiles:
    """Return the files that these paths name, folders with all that is below them.

    A file is called by its own name; one in a folder by its path from the folder's parent. Hidden
    files of folders are passed over. Raises Refused with every file that the pipeline would not
    read.
    """
    if not paths:
        raise Refused("no file is named", hint="invoke documents.add FILE FOLDER …")
    found, left_out, wrong = dict[str, LocalFile](), list[str](), list[str]()
    for path, name, in_folder in _named(paths):
        if in_folder and path.suffix.lower() not in KNOWN:
            left_out.append(name)
            continue
        try:
            file = _checked(path, name, max_bytes)
        except (Unreadable, OSError) as error:
            wrong.append(f"{path}: {getattr(error, 'strerror', None) or error}")
            continue
        if name in found and not path.samefile(found[name].path):
            wrong.append(f"{path}: {found[name].path} has the same name, {name}")
        found[name] = file
    if wrong:
        raise Refused(_listed("these cannot be added:", wrong), hint="nothing was uploaded")
    if not found:
        raise Refused("there is no document in it", hint=f"these are read: {' '.join(KNOWN)}")
    return LocalFiles(tuple(found.values()), tuple(left_out))


def _named(paths: Sequence[str]) -> Iterator[tuple[Path, str, bool]]:
    """Yield each file, its name, and whether it is there for its folder's sake."""
    for given in map(Path, paths):
        if not given.is_dir():
            yield given, given.name, False
            continue
        parent = given.resolve().parent
        for path in sorted(given.resolve().rglob("*")):
            name = path.relative_to(parent)
            hidden = any(part.startswith(".") for part in path.relative_to(given.resolve()).parts)
            if path.is_file() and not hidden:
                yield path, name.as_posix(), True


def _checked(path: Path, name: str, max_bytes: int) -> LocalFile:
    size = path.stat().st_size
    if not path.is_file():
        raise Unreadable("it is no file")
    if len((INPUT + name).encode()) > LONGEST_KEY:
        raise Unreadable(f"its name has more than {LONGEST_KEY - len(INPUT)} bytes")
    if size > max_bytes:
        raise Unreadable(f"too big: {size / 2**20:.1f} MiB; the limit is {max_bytes / 2**20:g} MiB")
    format_of(name, path)
    return LocalFile(path, name, size)


def _listed(title: str, lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n  ".join([title, *lines[:SHOWN], *more])
