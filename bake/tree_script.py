"""Print the tree of this machine's root file system as JSON, a line for each path.

Runs as root on a fresh instance, once it has booted, and needs only the base image's Python, 3.10
or later. A line is ``[path, kind, mode, user id, group id, extended attributes, content]``: content
is SHA-256 of a file, the target of a link, the number of a device. Times are left out: no program
of an image depends on one. Other file systems are left out, such as /proc and /run.
"""

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

KINDS = {
    stat.S_IFDIR: "folder",
    stat.S_IFREG: "file",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}
PART = 1 << 20  # bytes
Line = tuple[str, str, str, int, int, dict[str, str], str]


def lines(root: Path = Path("/")) -> Iterator[Line]:
    """Yield a line for each path below ``root``; what a running machine removes meanwhile is not
    there.
    """
    device = root.lstat().st_dev
    for folder, folders, names in os.walk(root):
        there = [
            (path, found)
            for path in (Path(folder, name) for name in sorted((*folders, *names)))
            if (found := _status(path)) and found.st_dev == device
        ]
        for path, found in there:
            try:
                yield _line(path, found)
            except FileNotFoundError:
                continue
        folders[:] = [path.name for path, found in there if stat.S_ISDIR(found.st_mode)]


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _line(path: Path, found: os.stat_result) -> Line:
    kind, mode = KINDS[stat.S_IFMT(found.st_mode)], f"{stat.S_IMODE(found.st_mode):04o}"
    content = _content(path, found)
    return str(path), kind, mode, found.st_uid, found.st_gid, _attributes(path), content


def _attributes(path: Path) -> dict[str, str]:
    """Return extended attributes in hexadecimal: capabilities, ACLs, labels (xattr(7))."""
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return {name: os.getxattr(path, name, follow_symlinks=False).hex() for name in names}


def _content(path: Path, found: os.stat_result) -> str:
    if stat.S_ISREG(found.st_mode):
        return _sha256(path)
    if stat.S_ISLNK(found.st_mode):
        return str(path.readlink())
    if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
        return f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
    return ""


def _sha256(path: Path) -> str:
    content = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(PART):
            content.update(part)
    return content.hexdigest()


if __name__ == "__main__":
    # What the boot itself still writes is over then; it exits with 1 where a unit has failed.
    subprocess.run(["systemctl", "is-system-running", "--wait"], check=False, capture_output=True)
    for each in lines():
        json.dump(each, sys.stdout)
        print()
