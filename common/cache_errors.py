"""Why what is fetched once and kept could not be: by errors, and by what pip and uv print."""

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from common.checkout import cache
from common.errors import PipelineError

ROOM = "make room there, or set RAYKILN_CACHE to a folder that can be written"
NETWORK = "check the network and pip's configuration"
# A folder that cannot be written, in the words of the C library: strerror(3).
UNWRITTEN = re.compile(
    "|".join(
        os.strerror(number)
        for number in (
            *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS),
            *(errno.EACCES, errno.EPERM, errno.ENOTDIR),
        )
    )
)
# pip tries again, and at last says that nothing matches: _internal/network, urllib3's retries.
BROKEN = re.compile(r"after connection broken by '(.+)': \S+$")
OBJECT = re.compile(r"<\S+ object at 0x[0-9a-f]+>: ")


@contextmanager
def cache_translated() -> Iterator[None]:
    """Translate an OSError, of a folder in the cache that cannot be written or read."""
    try:
        yield
    except OSError as error:
        place = error.filename or cache()
        raise PipelineError(
            f"the cache cannot be used: {place}: {error.strerror}", hint=ROOM
        ) from error


def unwritten(lines: Sequence[str]) -> str:
    """Return the last line that says that something cannot be written; or nothing."""
    return next((_plain(line) for line in reversed(lines) if UNWRITTEN.search(line)), "")


def disconnected(lines: Sequence[str]) -> str:
    """Return why pip's last connection broke, as long as it said so; or nothing."""
    broken = filter(None, map(BROKEN.search, reversed(lines)))
    return next((OBJECT.sub("", found[1]) for found in broken), "")


def not_made(what: str, output: str) -> PipelineError:
    """Return the error of a command that has failed, by all that it printed."""
    lines = [line for line in output.splitlines() if line.strip()]
    full = unwritten(lines)
    words = full or disconnected(lines) or _last(lines) or "it printed nothing"
    return PipelineError(f"{what} could not be made: {words}", hint=ROOM if full else NETWORK)


def _last(lines: Sequence[str]) -> str:
    """Return the last line; of uv, which ends with hints, its error and the last cause of that."""
    ends = next((at for at, line in enumerate(lines) if line.startswith("hint:")), len(lines))
    said = lines[:ends][-1:]
    errors = [line for line in lines[:ends] if line.startswith("error:")]
    is_cause = said and said[0].startswith(" ")
    return ": ".join(map(_plain, [*(errors[-1:] if is_cause else []), *said]))


def _plain(line: str) -> str:
    return re.sub(r"^(cause|error): ", "", line.strip(), flags=re.IGNORECASE)
