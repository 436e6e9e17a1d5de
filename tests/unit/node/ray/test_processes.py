"""Which processes are below one, and that none of them is left."""

import ctypes
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.ray import processes
from node.ray.processes import (
    become_subreaper,
    descendants,
    die_with_parent,
    kill_descendants,
    reap,
)

# prctl(2): what asks for the two settings.
PR_SET_PDEATHSIG, PR_GET_PDEATHSIG = 1, 2
PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 36, 37
LIBC = ctypes.CDLL(None)
SLEEPS = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
# Has a child, whose process id it prints.
HAS_ONE = [
    *(sys.executable, "-S", "-c"),
    f"import subprocess; c = subprocess.Popen({SLEEPS!r}); print(c.pid, flush=True); c.wait()",
]


def setting(option: int) -> int:
    value = ctypes.c_int()
    assert LIBC.prctl(option, ctypes.byref(value), 0, 0, 0) == 0
    return value.value


@pytest.fixture
def restored() -> Iterator[None]:
    yield
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    LIBC.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)


@pytest.mark.usefixtures("restored")
def test_the_kernel_is_asked_for_orphans_and_for_a_signal_when_the_parent_ends() -> None:
    assert (setting(PR_GET_CHILD_SUBREAPER), setting(PR_GET_PDEATHSIG)) == (0, 0)

    become_subreaper()
    die_with_parent()

    assert setting(PR_GET_CHILD_SUBREAPER) == 1
    assert setting(PR_GET_PDEATHSIG) == signal.SIGKILL


def test_what_the_kernel_refuses_is_an_error() -> None:
    with pytest.raises(OSError, match="prctl 9999") as refused:
        processes._prctl(9999, 0)

    assert refused.value.errno == errno.EINVAL


@pytest.fixture
def family() -> Iterator[tuple[int, int]]:
    """A child and its child."""
    with subprocess.Popen(HAS_ONE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        grandchild = int(child.stdout.readline())
        yield child.pid, grandchild
        for process in (grandchild, child.pid):
            if process in descendants():
                os.kill(process, signal.SIGKILL)


def test_descendants_are_the_children_and_theirs(family: tuple[int, int]) -> None:
    child, grandchild = family

    assert descendants(child) == {grandchild}
    assert descendants(grandchild) == set()
    assert descendants() >= {child, grandchild}
    assert os.getpid() not in descendants()


def test_a_process_that_ended_and_was_not_yet_reaped_is_not_below_any() -> None:
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

        assert child.pid not in descendants()


@pytest.mark.parametrize(
    ("stat", "parent"),
    [
        ("7 (raylet) S 12 7 7 0", 12),
        ("7 (a name) with) brackets) R 13 7 7 0", 13),
        ("7 (ended) Z 12 7 7 0", None),
        ("7 (ended) X 12 7 7 0", None),
        ("", None),
    ],
)
def test_a_parent_is_read_after_the_name(tmp_path: Path, stat: str, parent: int | None) -> None:
    (tmp_path / "stat").write_text(stat)

    assert processes._living_parent(tmp_path) == parent


def test_a_process_that_is_gone_has_no_parent(tmp_path: Path) -> None:
    assert processes._living_parent(tmp_path / "7") is None


def test_all_that_is_below_is_killed(
    family: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``descendants`` is narrowed to the family: a test's process may have other children."""
    gone = iter([{2**22 + 1}])  # once, a process id above the highest that Linux gives
    monkeypatch.setattr(
        processes, "descendants", lambda: next(gone, set()) | set(family) & descendants()
    )
    deadline = time.monotonic() + 60

    while not kill_descendants() and time.monotonic() < deadline:
        pass

    assert set(family) & descendants() == set()


def test_every_child_that_ended_is_reaped_and_one_that_runs_is_not_waited_for() -> None:
    with subprocess.Popen(SLEEPS) as runs:
        ended = [subprocess.Popen(["true"]) for _ in range(3)]
        for child in ended:
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

        reap()

        assert [Path(f"/proc/{child.pid}").exists() for child in ended] == [False] * 3
        assert Path(f"/proc/{runs.pid}").exists()
        runs.kill()
    for child in ended:
        child.wait()


def test_without_children_there_is_nothing_to_reap(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_child(*_: int) -> None:
        raise ChildProcessError(errno.ECHILD, "No child processes")

    monkeypatch.setattr(os, "waitpid", no_child)

    reap()
