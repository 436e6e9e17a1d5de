"""What Ray's logs take of the disk stays in bounds, and what is in use stays whole."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from node.logs import limit
from node.logs.limit import LogLimit, cut, log_files, open_files
from tests.unit.node.fakes import RecordedLog, silent

MIB = 1024 * 1024
OLD, NOW = 1_000_000.0, 2_000_000.0


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """The session of the Ray that runs."""
    return a_session(tmp_path, "session_new", latest=True)


def a_session(root: Path, name: str, *, latest: bool = False) -> Path:
    (root / name / "logs/old").mkdir(parents=True)
    if latest:
        (root / "session_latest").symlink_to(root / name)
    return root / name


def a_log(session: Path, name: str, size: int, changed: float = NOW) -> Path:
    path = session / "logs" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes((b"x" * 99 + b"\n") * (size // 100))
    os.utime(path, (changed, changed))
    return path


def a_limit(root: Path, most: int, used: set[str] | None = None) -> LogLimit:
    return LogLimit(
        (root,), log=silent, most_bytes=most, in_use=lambda: used or set(), now=lambda: NOW
    )


def taken(root: Path) -> int:
    return sum(file.bytes for file in log_files([root]))


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another process has the file open."""
    program = "import sys; f = open(sys.argv[1], 'ab'); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield
        process.communicate()


def test_logs_within_the_limit_are_left_alone(session: Path, tmp_path: Path) -> None:
    paths = [a_log(session, f"worker-{n}.out", MIB) for n in range(3)]
    said = RecordedLog()

    LogLimit((tmp_path,), log=said, most_bytes=taken(tmp_path), in_use=set, now=lambda: NOW).look()

    assert [path.stat().st_size for path in paths] == [1_048_500] * 3
    assert said.lines == []


def test_the_oldest_files_that_nothing_has_open_go_first(session: Path, tmp_path: Path) -> None:
    used = a_log(session, "worker-1.out", MIB, changed=1.0)
    gone = [a_log(session, f"old/worker-{n}.out", MIB, changed=float(n)) for n in (2, 3)]
    kept = a_log(session, "worker-4.out", MIB, changed=4.0)

    a_limit(tmp_path, int(2.5 * MIB), {str(used)}).look()

    assert used.exists()
    assert kept.exists()
    assert not any(path.exists() for path in gone)


def test_when_all_is_in_use_the_largest_are_cut(session: Path, tmp_path: Path) -> None:
    large = a_log(session, "job-driver-a.log", 8 * MIB)
    small = a_log(session, "worker-1.out", MIB)

    a_limit(tmp_path, 4 * MIB, {str(large), str(small)}).look()

    assert taken(tmp_path) < 4 * MIB
    assert small.stat().st_size == 1_048_500


def test_one_file_that_ray_never_rotates_has_a_limit_of_its_own(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert limit.FILE_BYTES == 268_435_456
    monkeypatch.setattr(limit, "FILE_BYTES", 2 * MIB)
    driver = a_log(session, "job-driver-a.log", 3 * MIB)

    a_limit(tmp_path, 100 * MIB, {str(driver)}).look()

    assert driver.stat().st_size < 1.1 * MIB


def test_files_are_bounded_in_number_too(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limit, "MOST_FILES", 5)
    for n in range(9):
        a_log(session, f"worker-{n}.out", 100, changed=float(n))

    a_limit(tmp_path, MIB).look()

    assert sorted(path.name for path in (session / "logs").glob("*.out")) == [
        f"worker-{n}.out" for n in (4, 5, 6, 7, 8)
    ]


def test_a_cut_leaves_whole_lines_of_the_end_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "job-driver-a.log"
    path.write_text("".join(f"line {n}\n" for n in range(300_000)))
    size = path.stat().st_size

    cut(path)

    first, second, *_, last = path.read_text().splitlines()
    assert first.startswith("(raykiln: ")
    assert second.startswith("line ")
    assert last == "line 299999"
    assert int(first.split()[1]) + path.stat().st_size - len(first) - 1 == size


def test_who_appends_to_a_file_goes_on_after_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "job-driver-a.log"
    with path.open("ab", buffering=0) as driver:
        driver.write(b"x" * 99 + b"\n")
        cut(path)
        driver.write(b"later\n")

    assert path.read_bytes().endswith(b"\nlater\n")
    assert b"\0" not in path.read_bytes()


def test_a_session_that_ended_keeps_its_logs_alone(session: Path, tmp_path: Path) -> None:
    ended = a_session(tmp_path, "session_old")
    (ended / "ray_spilled_objects").mkdir()
    (ended / "ray_spilled_objects/1").write_bytes(b"x" * 1000)
    log = a_log(ended, "raylet.out", 1000)
    elsewhere = tmp_path / "elsewhere/kept"
    elsewhere.mkdir(parents=True)
    (ended / "a_link").symlink_to(elsewhere.parent)
    (session / "sockets").mkdir()
    os.utime(ended, (OLD, OLD))
    os.utime(session, (OLD, OLD))

    a_limit(tmp_path, 100 * MIB).look()

    assert [path.name for path in ended.iterdir()] == ["logs"]
    assert log.exists()
    assert elsewhere.exists()
    assert (session / "sockets").exists()


@pytest.mark.parametrize("changed", [OLD, NOW - 60])
def test_a_session_that_is_young_or_in_use_stays(
    session: Path, tmp_path: Path, changed: float
) -> None:
    """A job may start a Ray of its own, which then is the latest session."""
    other = a_session(tmp_path, "session_other")
    (other / "sockets").mkdir()
    os.utime(other, (changed, changed))
    used = {f"{other}/logs/raylet.out"} if changed == OLD else set()

    a_limit(tmp_path, 100 * MIB, used).look()

    assert (other / "sockets").exists()


def test_a_file_counts_as_open_while_a_process_has_it(session: Path) -> None:
    path = a_log(session, "worker-1.out", 100)
    with held(path):
        assert str(path) in open_files()

    assert str(path) not in open_files()


@pytest.mark.parametrize(
    ("disk", "left"),
    [(8 * MIB, ["worker-2.out"]), (80 * 1024 * MIB, ["worker-1.out", "worker-2.out"])],
)
def test_the_limit_is_a_tenth_of_a_small_disk(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: int, left: list[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=disk))
    for n in (1, 2):
        a_log(session, f"worker-{n}.out", 600_000, changed=float(n))

    a_limit(tmp_path, 0).look()

    assert sorted(path.name for path in (session / "logs").glob("*.out")) == left
    assert limit.MOST_BYTES == 2_147_483_648


def test_what_was_deleted_and_cut_is_logged(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limit, "FILE_BYTES", 4 * MIB)
    driver = a_log(session, "job-driver-a.log", 5 * MIB)
    used = a_log(session, "worker-2.out", 3 * MIB)
    a_log(session, "worker-1.out", 100, changed=1.0)
    ended = a_session(tmp_path, "session_old")
    (ended / "socket").write_text("")
    os.utime(ended, (OLD, OLD))
    said = RecordedLog()

    LogLimit(
        (tmp_path,), log=said, most_bytes=MIB, in_use=lambda: {str(used)}, now=lambda: NOW
    ).look()

    assert said.lines == [
        ("session deleted", {"session": "session_old"}),
        ("log cut", {"file": driver, "bytes": 5_242_880}),
        ("logs deleted", {"files": 1}),
        ("log cut", {"file": used, "bytes": 3_145_728}),
    ]


def test_a_session_is_young_for_ten_minutes(session: Path, tmp_path: Path) -> None:
    for seconds in (600, 601):
        other = a_session(tmp_path, f"session_{seconds}")
        (other / "socket").write_text("")
        os.utime(other, (NOW - seconds, NOW - seconds))

    a_limit(tmp_path, 100 * MIB).look()

    assert (tmp_path / "session_600/socket").exists()
    assert not (tmp_path / "session_601/socket").exists()


def test_what_is_left_of_a_file_that_is_cut_has_a_mebibyte_at_most(tmp_path: Path) -> None:
    path = tmp_path / "job-driver-a.log"
    path.write_bytes(b"x" * 1_048_575 + b"\n" + b"y" * 1_048_574 + b"\n")

    cut(path)

    assert limit.KEPT_BYTES == 1_048_576
    assert path.read_bytes() == (
        b"(raykiln: 1048576 bytes before this line were deleted)\n" + b"y" * 1_048_574 + b"\n"
    )


def test_a_file_of_one_line_loses_it(tmp_path: Path) -> None:
    path = tmp_path / "job-driver-a.log"
    path.write_text("one\ntwo\n")

    cut(path)

    assert path.read_text() == "(raykiln: 4 bytes before this line were deleted)\ntwo\n"


def test_without_a_session_there_is_the_full_limit(tmp_path: Path) -> None:
    assert LogLimit((tmp_path / "none",), log=silent)._most_bytes() == 2_147_483_648


def test_a_file_takes_the_blocks_of_the_disk(session: Path, tmp_path: Path) -> None:
    path = session / "logs/old/a.log"
    path.write_bytes(b"x")
    os.utime(path, (OLD, OLD))

    (found,) = log_files([tmp_path])

    assert found == limit.LogFile(path, path.stat().st_blocks * 512, OLD)
