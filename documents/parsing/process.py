"""Parse documents in a process of their own, and read its sections one at a time. No AWS.

The pipe is the back-pressure: a parser that is ahead of whoever reads waits, so that a document of
5,000 pages takes no more memory than one of five.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from documents.errors import ParserLost, Unreadable
from documents.parsing.section import Limits, Section

ROOT = Path(__file__).resolve().parents[2]
READ = 65_536
SILENT = 2  # times its seconds of CPU that a parser may say nothing
# What the kernel ends a process with when it has used its seconds of CPU, setrlimit(2).
OUT_OF_TIME = ("SIGXCPU", "SIGKILL")


class ParserProcess:
    """One parsing process, started at first use and again after each death; not for two threads."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def sections(self, path: Path, name: str) -> Iterator[Section]:
        """Yield the sections of a file; ``name`` is its owner's, and tells the format.

        Raises Unreadable when the document is to blame, ParserLost when it may not be. To leave
        the iterator before its end stops the process.
        """
        asked = {"path": str(path), "name": name, "limits": asdict(self._limits)}
        process, ended = self._running(), False
        try:
            stdin = cast(IO[bytes], process.stdin)
            stdin.write(json.dumps(asked).encode() + b"\n")
            stdin.flush()
            for said in self._answers(process):
                ended = "end" in said
                if ended:
                    self._check(said)
                    return
                yield Section(said["page"], said["heading"], said["text"])
            raise ParserLost("the parsing process ended")
        except BrokenPipeError as error:
            raise ParserLost("the parsing process ended") from error
        finally:
            if not ended:
                self.stop()

    def stop(self) -> None:
        """Kill the process and what it forked."""
        process, self._process = self._process, None
        if process:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "documents.parsing.child"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"},
            )
        return self._process

    def _answers(self, process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
        rest, pipe = b"", cast(IO[bytes], process.stdout).fileno()
        silent = SILENT * self._limits.seconds
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            # Seconds of CPU are the kernel's to count; a process that only waits is ours to notice.
            while selector.select(timeout=silent):
                read = os.read(pipe, READ)
                if not read:
                    return
                *lines, rest = (rest + read).split(b"\n")
                yield from filter(None, map(_decoded, lines))
        raise ParserLost(f"the parser did nothing for {silent} s")

    def _check(self, said: dict[str, Any]) -> None:
        limits = self._limits
        if said["end"] == "unreadable":
            raise Unreadable(said["reason"])
        if said["end"] == "lost":
            if said.get("signal") in OUT_OF_TIME:
                raise ParserLost(f"its parser used {limits.seconds} s of CPU and was stopped")
            how = said.get("signal") or f"exit code {said.get('code')}"
            raise ParserLost(
                f"its parser crashed ({how}); it may hold {limits.memory // 2**20} MiB of memory"
            )


def _decoded(line: bytes) -> dict[str, Any] | None:
    """Return what a line says; None for the half of one that a crash left."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
