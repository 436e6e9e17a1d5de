"""What jobs print is shipped by job: every line of a calm job, the newest of a loud one."""

import json
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event as ThreadEvent
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from node.logs import job_lines, limit, shipper
from node.logs.batch import Batch
from node.logs.job_lines import LONGEST_LINE
from node.logs.job_names import Dashboard, JobNames
from node.logs.job_shipper import JobShipper, Positions, start_thread
from node.logs.limit import cut
from node.logs.origin import Origin
from node.logs.ray_files import job_files
from tests.unit.node.fakes import silent

WORKER = "worker-" + "a" * 56
ORIGIN = Origin("dev", "worker", "us-east-1", "i-1", "ray-head.dev")


class FakeStream:
    """A stream that may be out of reach."""

    def __init__(self, node: "Node", job: str) -> None:
        self._node, self._job = node, job

    def put(self, batch: Batch) -> None:
        if self._node.errors:
            raise self._node.errors.pop()
        lines = [json.loads(one["message"]) for one in batch.as_request()]
        self._node.calls += 1
        self._node.lines.setdefault(self._job, []).extend(lines)


class Node:
    """Ray's logs, and what of them arrived; shippers come and go."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "ray"
        self.logs = self.root / "session_1/logs"
        (self.logs / "old").mkdir(parents=True)
        self.lines: dict[str, list[dict[str, str]]] = {}
        self.errors: list[Exception] = []
        self.calls = 0
        self.jobs: dict[str, str] = {"02000000": "train"}
        self.positions = folder / "jobs.json"
        self.shipper = self.another()

    def another(self) -> JobShipper:
        return JobShipper(
            lambda job: FakeStream(self, job),
            JobNames(lambda job: {"submission_id": self.jobs[job]} if job in self.jobs else None),
            Positions(self.positions),
            log=silent,
            files=lambda: job_files([self.root]),
        )

    def prints(self, name: str, text: str) -> Path:
        with (self.logs / name).open("a") as file:
            file.write(text)
        return self.logs / name

    def ship(self, rounds: int = 1) -> list[str]:
        for _ in range(rounds):
            self.shipper.round()
        return [line["message"] for job in self.lines.values() for line in job]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_drivers_lines_go_to_the_stream_of_its_submission(node: Node) -> None:
    node.prints("job-driver-train-2.log", "one\ntwo\n")
    node.ship()

    file = "job-driver-train-2.log"
    assert node.lines == {
        "train-2": [{"file": file, "message": "one"}, {"file": file, "message": "two"}]
    }


def test_a_tasks_lines_go_to_the_submission_of_its_job(node: Node) -> None:
    node.prints(f"{WORKER}-02000000-7.out", ":job_id:02000000\n:task_name:fit\nepoch 1\n")
    node.ship()

    assert node.lines == {"train": [{"file": "worker-7.out", "task": "fit", "message": "epoch 1"}]}


def test_a_worker_that_was_started_ahead_says_its_job_itself(node: Node) -> None:
    name = f"{WORKER}-ffffffff-7.err"
    node.prints(name, "")
    node.ship()
    node.prints(name, ":job_id:02000000\nfirst\n")
    node.ship()
    node.shipper = node.another()
    node.prints(name, "second\n")
    node.ship()

    assert [line["message"] for line in node.lines["train"]] == ["first", "second"]


def test_a_driver_that_no_one_submitted_has_rays_id(node: Node) -> None:
    node.prints(f"{WORKER}-05000000-7.out", "hello\n")
    node.ship()

    assert list(node.lines) == ["05000000"]


def test_files_that_are_no_jobs_are_left_alone(node: Node) -> None:
    for name in ("raylet.out", "gcs_server.err", "python-core-worker-02000000_7.log"):
        node.prints(name, "hello\n")

    assert node.ship() == []


def test_each_line_is_shipped_once_however_often_it_looks_and_restarts(node: Node) -> None:
    for n in range(6):
        node.prints("job-driver-a.log", f"line {n}\n")
        node.ship(2)
        node.shipper = node.another()

    assert node.ship() == [f"line {n}" for n in range(6)]


def test_a_rotated_file_is_read_to_its_end_and_not_again(node: Node) -> None:
    path = node.prints(f"{WORKER}-02000000-7.out", "one\n")
    node.ship()
    node.prints(path.name, "two\n")
    path.rename(f"{path}.1")
    node.prints(path.name, "three\n")

    assert node.ship(2) == ["one", "two", "three"]
    path.rename(node.logs / "old" / path.name)
    assert len(node.ship()) == 3


def test_a_line_waits_until_it_is_complete_or_no_more_comes(node: Node) -> None:
    node.prints("job-driver-a.log", "half ")
    assert node.ship() == []
    node.prints("job-driver-a.log", "a line\nlast words")
    assert node.ship() == ["half a line"]

    assert node.ship(2) == ["half a line", "last words"]


def test_what_aws_did_not_take_is_sent_again(node: Node) -> None:
    node.prints("job-driver-a.log", "one\n")
    node.errors = [EndpointConnectionError(endpoint_url="https://logs")] * 2
    assert node.ship(2) == []
    node.prints("job-driver-a.log", "two\n")

    assert node.ship() == ["one", "two"]


def test_a_node_may_ship_so_much_at_once_and_so_much_a_second() -> None:
    assert (job_lines.BURST_BYTES, job_lines.BYTES_A_SECOND) == (4_194_304, 65_536)


@pytest.fixture
def quieter(node: Node, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node that may ship 100 kB at once, and 1 kB a second."""
    monkeypatch.setattr(job_lines, "BURST_BYTES", 100_000)
    monkeypatch.setattr(job_lines, "BYTES_A_SECOND", 1000)
    node.shipper = node.another()
    return node


def test_of_a_loud_job_the_newest_lines_are_shipped_and_it_says_what_is_missing(
    quieter: Node,
) -> None:
    path = quieter.prints("job-driver-a.log", "".join(f"{n:099}\n" for n in range(5000)) + "last\n")

    lines = quieter.ship()

    shipped = sum(len(line) + 1 for line in lines[1:])
    assert lines[0] == f"(raykiln: {path.stat().st_size - shipped} bytes are not shipped)"
    assert lines[-1] == "last"
    assert 100_000 - 101 < shipped <= 100_000


def test_a_node_ships_a_certain_amount_a_second_for_all_its_jobs(quieter: Node) -> None:
    for _ in range(4):
        for job in ("a", "b"):
            quieter.prints(f"job-driver-{job}.log", ("y" * 99 + "\n") * 2000)
        quieter.ship()
    shipped = sum(len(line["message"]) + 1 for job in quieter.lines.values() for line in job)

    assert 100_000 < shipped < 100_000 + 4 * 5 * 1000


def test_a_line_longer_than_any_is_cut(node: Node) -> None:
    node.prints("job-driver-a.log", "z" * 3 * LONGEST_LINE + "\nafter\n")

    first, second = node.ship()

    assert len(first) == 65_536
    assert first.endswith(" (cut)")
    assert second == "after"


def test_what_a_cut_leaves_is_not_shipped_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (limit, job_lines):
        monkeypatch.setattr(module, "KEPT_BYTES", 10_000)
    path = node.prints("job-driver-a.log", "".join(f"{n:099}\n" for n in range(300)))
    node.ship()
    before = len(node.ship())
    cut(path)
    node.ship()
    node.prints("job-driver-a.log", "after\n")

    assert len(node.ship()) - before <= 3
    assert node.ship()[-1] == "after"


def test_positions_of_files_that_are_gone_are_forgotten(node: Node) -> None:
    path = node.prints("job-driver-a.log", "one\n")
    node.ship()
    path.unlink()
    node.prints("job-driver-b.log", "one\n")
    node.ship()

    stored = json.loads(node.positions.read_text())
    assert [key.partition(":")[2] for key in stored] == ["job-driver-b.log"]


def test_positions_that_cannot_be_read_are_those_of_a_first_boot(node: Node) -> None:
    node.positions.write_text('{"1:a": 5}')
    node.prints("job-driver-a.log", "one\n")
    node.shipper = node.another()

    assert node.ship() == ["one"]


def test_a_name_that_no_dashboard_gives_is_awaited_for_a_while() -> None:
    time, asked = [100.0], []

    def unreachable(job: str) -> None:
        asked.append(job)
        raise OSError

    names = JobNames(unreachable, clock=lambda: time[0])

    for _ in range(16):
        assert names.name("s", "02000000") == ""
    assert asked == ["02000000"]
    time[0] = 130.0
    assert names.name("s", "02000000") == "02000000"
    assert len(asked) == 2


def test_a_new_session_has_other_jobs() -> None:
    jobs = {"01000000": "first"}
    names = JobNames(lambda job: {"submission_id": jobs[job]})
    assert names.name("session_1", "01000000") == "first"
    jobs["01000000"] = "second"

    assert names.name("session_1", "01000000") == "first"
    assert names.name("session_2", "01000000") == "second"


def test_the_last_lines_are_shipped_when_it_stops(node: Node) -> None:
    stop = start_thread(node.shipper, lambda: None)
    node.prints("job-driver-a.log", "last words\n")
    stop()

    assert [line["message"] for line in node.lines["a"]] == ["last words"]


def test_a_thread_that_ends_by_itself_ends_the_shipper(node: Node, monkeypatch: Any) -> None:
    ended = ThreadEvent()
    monkeypatch.setattr(node.shipper, "run", lambda stopped: None)
    start_thread(node.shipper, ended.set)

    assert ended.wait(5)


def test_jobs_are_shipped_to_streams_of_their_own_and_the_positions_are_kept(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        shipper, "JobShipper", partial(JobShipper, files=lambda: job_files([node.root]))
    )
    monkeypatch.setattr(shipper, "POSITIONS", node.positions)
    node.prints("job-driver-train.log", "last words\n")

    with mock_aws():
        logs = boto3.client("logs", region_name="us-east-1")
        logs.create_log_group(logGroupName="/raykiln/dev/jobs")
        for _ in range(2):  # the second process of a node repeats nothing
            shipper.ship_jobs(ORIGIN, logs, silent)()
        where = {"logGroupName": "/raykiln/dev/jobs", "logStreamName": "train/i-1"}
        found = logs.get_log_events(**where, startFromHead=True)

    assert [json.loads(event["message"]) for event in found["events"]] == [
        {"file": "job-driver-train.log", "message": "last words"}
    ]


@pytest.mark.parametrize(("role", "host"), [("head", "127.0.0.1"), ("worker", "ray-head.dev")])
def test_the_leaders_dashboard_is_asked(role: str, host: str) -> None:
    assert Origin("dev", role, "us-east-1", "i-1", "ray-head.dev").dashboard == host


def test_a_stream_is_named_by_job_and_instance() -> None:
    stream = ORIGIN.job("nightly:2026*" + "x" * 500)

    assert stream.group == "/raykiln/dev/jobs"
    assert stream.name.startswith("nightly_2026_xxx")
    assert stream.name.endswith("x/i-1")
    assert len(stream.name) <= 512


class RaysDashboard(BaseHTTPRequestHandler):
    """Answers as Ray's does."""

    def do_GET(self) -> None:
        known = self.path == "/api/jobs/02000000"
        admitted = self.headers["Authorization"] == "Bearer secret"
        self.send_response(200 if known and admitted else 404 if admitted else 401)
        self.end_headers()
        self.wfile.write(b'{"type": "SUBMISSION", "submission_id": "train"}')

    def log_message(self, *_: object) -> None:
        pass


def test_the_dashboard_is_asked_with_the_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    with HTTPServer(("127.0.0.1", 0), RaysDashboard) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        dashboard = Dashboard("127.0.0.1", token, server.server_port)
        token.write_text("secret\n")
        known, unknown = dashboard.job("02000000"), dashboard.job("09000000")
        token.write_text("other\n")
        with pytest.raises(OSError, match="401"):
            dashboard.job("02000000")
        server.shutdown()

    assert (known or {})["submission_id"] == "train"
    assert unknown is None
