"""Where Ray writes its logs on this node, and which of them hold what a job prints. No AWS.

In Ray 2.60 a session's folder ``logs`` has ``job-driver-SUBMISSION.log`` of a submitted job's
driver (JOB_LOGS_PATH_TEMPLATE, ray/dashboard/modules/job/common.py), ``worker-WORKER-JOB-PID.out``
and ``.err`` of a process that runs tasks or an actor (get_worker_log_file_name,
ray/_private/ray_logging/__init__.py), and ``runtime_env_setup-JOB.log`` of making its runtime
environment (ray/_private/log_monitor.py). What the log monitor finds to belong to a process that
has ended it moves to ``logs/old``. A rotated file gets a number behind its name.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from node.contract import INSTANCE_STORE

# Ray's temporary directories: its own default, and that of a worker that spills to its own disks.
ROOTS = (Path("/tmp/ray"), Path(INSTANCE_STORE, "ray"))  # noqa: S108 (Ray's, not ours)

DRIVER = re.compile(r"job-driver-(?P<job>.+)\.log")
WORKER = re.compile(r"worker-[0-9a-f]{56}-(?P<job>[0-9a-f]{8})-\d+\.(out|err)(\.\d+)?")
SETUP = re.compile(r"runtime_env_setup-(?P<job>[0-9a-f]{8})\.log")
INDEX = re.compile(r"\.(\d+)$")  # of a rotated file: the higher, the older
LONG_IDS = re.compile(r"-[0-9a-f]{56}-[0-9a-f]{8}")  # of a worker and its job, before its pid
NO_JOB = "ffffffff"  # a worker that was started before there was work for it


@dataclass(frozen=True)
class JobFile:
    """A file with what a job prints.

    ``job`` is the submission's name for a driver, else Ray's id of the job, or NO_JOB. ``source``
    is the name without a rotated file's number, so that it is the same before and after, and
    ``age`` that number, or 0.
    """

    path: Path
    session: str
    job: str
    is_submission: bool
    source: str
    age: int
    inode: int
    size: int

    @property
    def label(self) -> str:
        """What each of its lines says: its name, but of a worker's long ids, only the pid."""
        return LONG_IDS.sub("", self.source)

    @property
    def key(self) -> str:
        """What stays the same while the file exists, also when it is renamed."""
        return f"{self.inode}:{self.source}"


def sessions(roots: Iterable[Path] = ROOTS) -> Iterator[Path]:
    """Yield the folders of all sessions; ``session_latest`` is a link to one of them."""
    for root in roots:
        for entry in entries(root):
            if entry.name.startswith("session_") and entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """Return what a folder has by name; nothing when there is none, or none that we may read."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


def job_files(roots: Iterable[Path] = ROOTS) -> Iterator[JobFile]:
    """Yield the files of jobs, of all sessions."""
    for session in sessions(roots):
        for folder in (session / "logs" / "old", session / "logs"):
            for entry in entries(folder):
                if found := _job_file(session.name, entry):
                    yield found


def _job_file(session: str, entry: os.DirEntry[str]) -> JobFile | None:
    driver = DRIVER.fullmatch(entry.name)
    match = driver or WORKER.fullmatch(entry.name) or SETUP.fullmatch(entry.name)
    if not match:
        return None
    try:
        stat = entry.stat(follow_symlinks=False)
    except OSError:  # deleted or moved meanwhile
        return None
    index = INDEX.search(entry.name)  # none in a driver's name
    return JobFile(
        Path(entry.path),
        session,
        match["job"],
        driver is not None,
        INDEX.sub("", entry.name),
        int(index[1]) if index else 0,
        stat.st_ino,
        stat.st_size,
    )
