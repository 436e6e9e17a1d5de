"""Delete folders of many files. Touches no mount and follows no link."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

AT_ONCE = 16


def delete_folder(folder: Path) -> None:
    """Delete a folder, and as much as possible of one that cannot be deleted.

    Many files at once: a file system that tells its disk of each block that it frees, as that of a
    virtual machine often does (``discard``, mount(8)), takes a moment for each.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for at, _, names in os.walk(folder):
            pool.submit(_empty, at, names)
    shutil.rmtree(folder, ignore_errors=True)


def _empty(at: str, names: list[str]) -> None:
    for name in names:
        with suppress(OSError):
            Path(at, name).unlink()
