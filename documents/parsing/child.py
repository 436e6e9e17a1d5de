"""The process that parses: forks for each document, under limits that the kernel enforces. No AWS.

Reads a JSON object a line: ``path``, ``name`` and the limits. Answers with a JSON object a line:
``page``, ``heading`` and ``text`` of each section, then ``end``: ``read``, ``unreadable`` (with
``reason``) or ``lost`` (with ``signal`` or ``code``). Starts once and imports the parsers once; a
fork costs milliseconds, and takes a crash, a leak or an exhausted limit with it.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from documents.errors import Unreadable
from documents.parsing.formats import ENDINGS, format_of, parser
from documents.parsing.section import Limits, Section

PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    """Serve until standard input ends."""
    _die_with_parent()
    for kind in ENDINGS:
        parser(kind)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _die_with_parent()
            os._exit(_parse(asked))
        _, status = os.waitpid(pid, 0)
        if status:
            # The line that it was writing may be half there; the empty one ends it.
            print()
            _say(end="lost", **_death(status))


def _parse(asked: dict[str, Any]) -> int:
    limits = Limits(**asked["limits"])
    path = Path(asked["path"])
    _limit(limits)
    try:
        for section in checked(parser(format_of(asked["name"], path))(path), limits):
            _say(page=section.page, heading=section.heading, text=section.text)
        _say(end="read")
    except Unreadable as error:
        _say(end="unreadable", reason=str(error))
    except MemoryError:
        _say(end="unreadable", reason=f"it needs more than {limits.memory // 2**20} MiB of memory")
    except RecursionError:
        _say(end="unreadable", reason="damaged: its parts are nested without end")
    return 0


def checked(sections: Iterator[Section], limits: Limits) -> Iterator[Section]:
    """Pass sections on until there are more pages or characters than allowed."""
    characters = 0
    for section in sections:
        characters += len(section.text)
        if section.page > limits.max_pages:
            raise Unreadable(f"too big: it has more than {limits.max_pages} pages")
        if characters > limits.max_characters:
            raise Unreadable(f"too big: it has more than {limits.max_characters} characters")
        yield section


def _limit(limits: Limits) -> None:
    """Limit this process (setrlimit(2)); memory is what it may take beside what it already has."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for what, most in (
        (resource.RLIMIT_AS, held + limits.memory),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _death(status: int) -> dict[str, Any]:
    code = os.waitstatus_to_exitcode(status)
    return {"signal": signal.Signals(-code).name} if code < 0 else {"code": code}


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _say(**values: Any) -> None:
    # One write a line, straight to the pipe: nothing is left in a buffer that a fork would copy.
    sys.stdout.flush()
    os.write(sys.stdout.fileno(), json.dumps(values).encode() + b"\n")


if __name__ == "__main__":
    main()
