"""Write files that a person asked for: whole, or not at all. No AWS."""

import errno
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from common.errors import Refused

DEVICES = Path("/dev")


def write_files(texts: Mapping[Path, str], hint: str) -> None:
    """Write the text of each path, in UTF-8: all of them, or none.

    Each is written beside itself, then renamed, which is atomic (rename(2)); a link stays one. A
    device, such as /dev/stdout, is written to. Raises Refused with ``hint``.
    """
    beside: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            if DEVICES in path.parents:
                path.write_text(text, encoding="utf-8")
            else:
                place = path.resolve()
                beside[place] = place.with_name(f".{place.name}.{os.getpid()}")
                _write(beside[place], text, place)
        for path, written in beside.items():
            written.replace(path)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}", hint=hint) from error
    finally:
        for written in beside.values():
            with suppress(OSError):
                written.unlink()


def _write(file: Path, text: str, place: Path) -> None:
    """Write a file that is to have the mode of what is in that place, if anything."""
    if place.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    file.write_text(text, encoding="utf-8")
    if place.exists():
        file.chmod(stat.S_IMODE(place.stat().st_mode))
