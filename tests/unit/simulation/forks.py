"""Try something on a copy of this whole process, so that one deploy serves many tests.

moto's state, the clock and every simulated node are memory: a fork copies them in milliseconds.
What the copy does is gone with it, but for the text of its failure; the machines' files, which the
copy shares, are put back.
"""

import gc
import os
import shutil
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.simulation.cloud import Cloud


class Copy:
    """A copy of this process, made by the constructor: ``is_this`` tells the two apart.

    ``folder`` is what the two share; the original waits for ``failure`` before it goes on. Raises
    RuntimeError in a thread: it alone would be copied, and the copy would never end.
    """

    def __init__(self, folder: Path) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a copy of this process can be made by its main thread only")
        self._folder, self._kept = folder, Path(tempfile.mkdtemp(prefix="simulated-files-"))
        shutil.copytree(folder, self._kept / "files")
        self._reader, self.writer = os.pipe()
        gc.freeze()  # else the copy's collector writes to, and so copies, every page
        self._child = os.fork()
        self.is_this = self._child == 0
        os.close(self._reader if self.is_this else self.writer)

    def failure(self) -> str:
        """Wait for the copy's end and put the files back; return how it failed, or nothing."""
        with os.fdopen(self._reader, encoding="utf-8") as told:
            failure = told.read()
        _, status = os.waitpid(self._child, 0)
        shutil.rmtree(self._folder)
        (self._kept / "files").rename(self._folder)
        self._kept.rmdir()
        if status and not failure:
            return f"the copy ended with status {os.waitstatus_to_exitcode(status)}"
        return failure


def failure_in_a_copy(cloud: Cloud, work: Callable[[], None]) -> str:
    """Run ``work`` on a copy of this process; return how it failed, or nothing."""
    copy = Copy(cloud.folder)
    if copy.is_this:
        os._exit(tell(copy, work))
    return copy.failure()


def tell(copy: Copy, work: Callable[[], None]) -> int:
    """Inside the copy: do the work, tell how it failed, and return the exit code."""
    try:
        work()
    except BaseException:
        with os.fdopen(copy.writer, "w", encoding="utf-8") as told:
            told.write(traceback.format_exc())
        return 1
    return 0
