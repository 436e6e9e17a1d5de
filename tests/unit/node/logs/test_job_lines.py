"""What is read of a file with what a job prints: whole lines, and the newest of too many."""

import json
from pathlib import Path

import pytest

from node.logs.batch import Event
from node.logs.job_lines import Allowance, Position, events, job_of, read_news
from node.logs.job_names import JobNames
from node.logs.job_shipper import batches
from node.logs.ray_files import JobFile, job_files, sessions

WORKER = "worker-" + "a" * 56


def a_file(folder: Path, text: str | bytes, job: str = "train", source: str = "f.log") -> JobFile:
    path = folder / source
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return JobFile(path, "session_1", job, True, source, 0, 7, path.stat().st_size)


def test_an_allowance_grows_by_the_second_up_to_what_may_come_at_once() -> None:
    allowance = Allowance()
    assert allowance.bytes == 4_194_304

    allowance.spend(1_000_000)
    assert allowance.bytes == 3_194_304
    allowance.grow(2)
    assert allowance.bytes == 3_325_376
    allowance.grow(60)
    assert allowance.bytes == 4_194_304
    allowance.spend(5_000_000)
    assert allowance.bytes == 0


def test_a_position_is_stored_as_three_values() -> None:
    position = Position(5, "02000000", "fit", 9)

    assert position.as_json() == [5, "02000000", "fit"]
    assert Position.parse(["5", 2, 3]) == Position(5, "2", "3", 5)
    with pytest.raises(ValueError, match="unpack"):
        Position.parse([1])


@pytest.mark.parametrize(
    ("size", "offset"), [(100, 100), (101, 100), (99, 99), (2_000_000, 3_000_000)]
)
def test_a_file_that_is_shorter_was_cut_and_what_it_kept_was_read(size: int, offset: int) -> None:
    position = Position(100 if size < 1000 else 3_000_000)

    position.fit(size)

    assert position.offset == (1_048_576 if size == 2_000_000 else offset)


def test_new_lines_are_read_up_to_the_last_whole_one(tmp_path: Path) -> None:
    file = a_file(tmp_path, "old\none\n\ntwo\nhalf")

    news = read_news(file, Position(4, "02000000", "fit", 4), 1000)

    line = {"file": "f.log", "task": "fit"}
    assert [json.loads(one) for one in news.lines] == [
        {**line, "message": "one"},
        {**line, "message": "two"},
    ]
    assert news.bytes == 13
    assert news.after == Position(13, "02000000", "fit", 17)


def test_a_line_without_an_end_is_read_once_its_file_no_longer_grows(tmp_path: Path) -> None:
    file = a_file(tmp_path, "half")

    assert read_news(file, Position(0, seen=3), 1000).lines == []
    news = read_news(file, Position(0, seen=4), 1000)

    assert news.lines == ['{"file": "f.log", "message": "half"}']
    assert news.after == Position(4, seen=4)


@pytest.mark.parametrize(("length", "lines"), [(65_535, 0), (65_536, 1)])
def test_a_line_longer_than_any_does_not_wait_for_its_end(
    tmp_path: Path, length: int, lines: int
) -> None:
    file = a_file(tmp_path, "x" * length)

    assert len(read_news(file, Position(), 1_000_000).lines) == lines


def test_of_too_much_the_newest_whole_lines_are_read_and_the_rest_is_counted(
    tmp_path: Path,
) -> None:
    file = a_file(tmp_path, "".join(f"line {n}\n" for n in range(10)))

    news = read_news(file, Position(7, task="fit"), 20)

    assert [json.loads(line)["message"] for line in news.lines] == [
        "(raykiln: 49 bytes are not shipped)",
        "line 8",
        "line 9",
    ]
    assert json.loads(news.lines[0])["task"] == "fit"
    assert (news.bytes, news.after.offset) == (20, 70)


def test_marks_say_what_a_worker_runs_and_are_no_lines(tmp_path: Path) -> None:
    text = ":job_id:02000000\n:actor_name:Trainer\na\n:task_name:fit\né\n"

    news = read_news(a_file(tmp_path, text), Position(), 1000)

    assert news.lines == [
        '{"file": "f.log", "task": "Trainer", "message": "a"}',
        '{"file": "f.log", "task": "fit", "message": "é"}',
    ]
    assert (news.after.job, news.after.task) == ("02000000", "fit")


def test_bytes_that_are_no_text_are_shipped_too(tmp_path: Path) -> None:
    news = read_news(a_file(tmp_path, b":task_name:\xff\n\xffx\n"), Position(), 1000)

    assert json.loads(news.lines[0]) == {"file": "f.log", "task": "�", "message": "�x"}


@pytest.mark.parametrize(
    ("first", "job"),
    [(":job_id:02000000 \nx", "02000000"), ("x\n:job_id:02000000\n", ""), ("", "")],
)
def test_the_job_of_a_worker_that_was_started_ahead_is_its_first_line(
    tmp_path: Path, first: str, job: str
) -> None:
    position = Position()

    assert job_of(a_file(tmp_path, first, job="ffffffff"), position) == job
    assert position.job == job
    assert job_of(a_file(tmp_path, first, job="03000000"), position) == "03000000"


def test_a_job_that_is_known_is_not_read_again(tmp_path: Path) -> None:
    file = a_file(tmp_path, ":job_id:09000000\n", job="ffffffff")

    assert job_of(file, Position(job="02000000")) == "02000000"


def test_lines_are_events_of_one_moment_in_as_few_batches_as_calls_allow() -> None:
    made = events(["a", "b"], 5)
    assert made == [Event(5, "a", ""), Event(5, "b", "")]

    assert [len(batch) for batch in batches(made)] == [2]
    assert list(batches([])) == []
    assert [len(batch) for batch in batches([made[0]] * 10_001)] == [10_000, 1]


def test_files_of_jobs_are_known_by_their_names(tmp_path: Path) -> None:
    logs = tmp_path / "session_1/logs"
    (logs / "old").mkdir(parents=True)
    (tmp_path / "session_latest").symlink_to(tmp_path / "session_1")
    (tmp_path / "other/logs").mkdir(parents=True)
    for name in (
        "job-driver-train.1.log",
        f"{WORKER}-02000000-7.out.2",
        f"old/{WORKER}-ffffffff-8.err",
        "runtime_env_setup-03000000.log",
        "runtime_env_setup-03000000.log.1",
        "raylet.out",
    ):
        (logs / name).write_text(name)
    inodes = {path.name: path.stat().st_ino for path in logs.rglob("*.*")}

    found = list(job_files([tmp_path, tmp_path / "none"]))

    assert list(sessions([tmp_path])) == [tmp_path / "session_1"]

    def job_file(name: str, job: str, submission: bool, source: str, age: int) -> JobFile:
        inode = inodes[Path(name).name]
        return JobFile(logs / name, "session_1", job, submission, source, age, inode, len(name))

    assert found == [
        job_file(f"old/{WORKER}-ffffffff-8.err", "ffffffff", False, f"{WORKER}-ffffffff-8.err", 0),
        job_file("job-driver-train.1.log", "train.1", True, "job-driver-train.1.log", 0),
        job_file(
            "runtime_env_setup-03000000.log", "03000000", False, "runtime_env_setup-03000000.log", 0
        ),
        job_file(f"{WORKER}-02000000-7.out.2", "02000000", False, f"{WORKER}-02000000-7.out", 2),
    ]
    assert [one.label for one in found][0::3] == ["worker-8.err", "worker-7.out"]
    assert found[3].key == f"{found[3].inode}:{WORKER}-02000000-7.out"


def test_a_dashboard_that_failed_is_asked_again_after_five_seconds() -> None:
    time, asked = [0.0], []

    def unreachable(job: str) -> None:
        asked.append((time[0], job))
        raise ValueError

    names = JobNames(unreachable, clock=lambda: time[0])

    for moment in (0.0, 4.75, 5.0, 9.75, 10.0, 29.75):
        time[0] = moment
        assert names.name("s", "02000000") == ""
    time[0] = 30.0
    assert names.name("s", "02000000") == "02000000"

    assert [at for at, _ in asked] == [0.0, 5.0, 10.0, 29.75]


def test_a_job_that_no_dashboard_knows_keeps_rays_id() -> None:
    asked: list[str] = []

    def unknown(job: str) -> dict[str, object] | None:
        asked.append(job)
        return None

    names = JobNames(unknown, clock=lambda: 0.0)

    assert [names.name("s", "02000000") for _ in range(2)] == ["02000000"] * 2
    assert asked == ["02000000"]
