"""Shipping logs: every line once, in order, within the API's limits, whatever happens."""

import json
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from node.give_up import await_shipped
from node.logs import batch as log_batch
from node.logs import shipper
from node.logs.batch import Batch, Event, event_of
from node.logs.progress import Progress
from node.logs.shipper import LAST_SECONDS, LogShipper
from node.logs.source import LINE_BYTES, JournalSource, Source, journal_command
from node.logs.stream import CloudWatchStream, Rejected, Stream
from tests.unit.answers import Answers, refused
from tests.unit.node.fakes import RecordedLog, silent

NOW = 1_795_000_000_000
TEMPLATE = Path(__file__).parents[4] / "deploy/foundation/template.yaml"


def event(number: int, at: int = NOW, text: str = "") -> Event:
    return Event(at, text or f"line {number}", str(number))


def entry(message: object, **fields: str) -> dict[str, Any]:
    return {
        "__CURSOR": "c",
        "__REALTIME_TIMESTAMP": f"{NOW}123",
        "PRIORITY": "4",
        "_SYSTEMD_UNIT": "ray-head.service",
        "MESSAGE": message,
        **fields,
    }


class Killed(BaseException):
    """SIGKILL, which cannot be handled."""


class Clock:
    """Time that passes in sleeps and waits for a line; at ``alarm`` it makes a call."""

    def __init__(self) -> None:
        self.time, self.alarm = 0.0, float("inf")
        self.call: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        if self.time >= self.alarm:
            self.call()


class Node:
    """A journal, a disk and CloudWatch Logs, which may be unreachable; shippers come and go."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.progress = Progress(folder / "progress.json")
        self.journal: list[Event] = []
        self.taken: list[str] = []
        self.sizes: list[int] = []
        self.errors: list[BaseException] = []
        self.after_put: list[BaseException] = []
        self.opened = 0
        self.largest_read = 50

    def put(self, batch: Batch) -> None:
        if self.errors:
            raise self.errors.pop(0)
        request = batch.as_request()
        check_limits(request)
        self.sizes.append(len(request))
        self.taken += [one["message"] for one in request]
        if self.after_put:
            raise self.after_put.pop(0)

    def log(self, *numbers: int) -> None:
        self.journal += [event(number) for number in numbers]

    def shipper(self) -> LogShipper:
        return LogShipper(
            lambda cursor, follow: FakeSource(self, cursor, follow),
            self.put,
            self.progress,
            log=silent,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def run(self, seconds: float = 5.0) -> LogShipper:
        """Ship for so many seconds, and stop in order."""
        shipper = self.shipper()
        self.stop(shipper, seconds)
        shipper.run()
        return shipper

    def stop(self, shipper: LogShipper, seconds: float) -> None:
        """Send it SIGTERM after so many seconds."""
        self.clock.alarm, self.clock.call = self.clock.time + seconds, shipper.stop


class FakeSource:
    """journalctl: from a cursor on; following, it waits for more."""

    def __init__(self, node: Node, cursor: str, follow: bool) -> None:
        self._node, self._follow = node, follow
        self._next = int(cursor) if cursor else 0
        self.ended = False
        node.opened += 1

    def read(self, seconds: float) -> list[Event]:
        node = self._node
        found = node.journal[self._next : self._next + node.largest_read]
        self._next += len(found)
        if not found:
            self.ended = not self._follow
            node.clock.sleep(seconds)
        return found

    def close(self) -> None:
        pass


def check_limits(request: list[dict[str, Any]]) -> None:
    """Reject what PutLogEvents rejects.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
    """
    times = [one["timestamp"] for one in request]
    assert 1 <= len(request) <= 10_000
    assert sum(len(one["message"].encode()) + 26 for one in request) <= 1_048_576
    assert times == sorted(times)
    assert times[-1] - times[0] < 24 * 3600 * 1000


def away() -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url="https://logs")


def lines(numbers: Iterable[int]) -> list[str]:
    return [f"line {number}" for number in numbers]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_every_line_is_shipped_once_and_in_order(node: Node) -> None:
    node.log(*range(1, 201))

    node.run()

    assert node.taken == lines(range(1, 201))
    assert node.progress.cursor() == "200"


def test_lines_of_the_same_moment_share_a_batch(node: Node) -> None:
    node.log(*range(1, 31))

    node.run()

    assert node.sizes == [30]


def test_a_restart_neither_loses_nor_repeats(node: Node) -> None:
    for start in (1, 101, 201):
        node.log(*range(start, start + 100))
        node.run()

    assert node.taken == lines(range(1, 301))


def test_a_batch_is_sent_until_aws_accepts_it(node: Node) -> None:
    node.log(*range(1, 21))
    node.errors = [away() for _ in range(6)]

    node.run(seconds=120)

    assert node.taken == lines(range(1, 21))
    assert node.clock.time > 15


def test_while_aws_is_unreachable_memory_holds_one_batch(node: Node) -> None:
    node.journal = [event(n, text="x" * 1000) for n in range(1, 50_001)]
    node.errors = [away() for _ in range(10_000)]
    tracemalloc.start()

    node.run(seconds=3600)

    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert node.taken == []
    assert held < 8 * 1_048_576
    node.errors = []
    node.run(seconds=60)
    assert len(node.taken) == 50_000


def test_a_shipper_killed_before_it_stored_its_progress_repeats_one_batch(
    node: Node,
) -> None:
    node.log(*range(1, 11))
    node.run()
    node.log(*range(11, 21))
    node.after_put = [Killed()]
    with pytest.raises(Killed):
        node.run()

    node.run()

    assert node.taken == lines([*range(1, 21), *range(11, 21)])


def test_a_rejected_batch_is_dropped_and_the_next_one_is_sent(node: Node) -> None:
    node.log(*range(1, 11))
    node.errors = [Rejected("one line is a week ahead")]
    node.run()
    node.log(*range(11, 21))

    node.run()

    assert node.taken == lines(range(11, 21))


def test_lines_logged_just_before_the_end_are_shipped(node: Node) -> None:
    shipper = node.shipper()
    shipper.stop()
    node.log(1, 2, 3)

    shipper.run()

    assert node.taken == lines([1, 2, 3])


def test_stopping_without_aws_is_in_time(node: Node) -> None:
    node.log(*range(1, 11))
    node.errors = [away() for _ in range(100)]

    node.run(seconds=3)

    assert node.taken == []
    assert node.clock.time < 3 + 2 + LAST_SECONDS
    assert node.progress.cursor() == ""


def test_a_journalctl_that_ends_is_restarted_at_its_cursor(node: Node) -> None:
    node.log(*range(1, 101))
    opened: list[str] = []

    def short(cursor: str, follow: bool) -> Source:
        opened.append(cursor)
        source = FakeSource(node, cursor, follow)
        source.ended = len(opened) == 1
        return source

    shipper = node.shipper()
    shipper._open = short
    node.stop(shipper, 30)
    shipper.run()

    assert len(opened) >= 3
    assert node.taken == lines(range(1, 101))


def test_a_full_disk_repeats_no_lines(node: Node, tmp_path: Path) -> None:
    node.progress = Progress(tmp_path / "none" / "progress.json")
    node.log(*range(1, 11))

    node.run()

    assert node.taken == lines(range(1, 11))


@pytest.mark.parametrize(
    ("events", "batches"),
    [
        ([event(n, text="é" * 500) for n in range(1, 3001)], 3),
        ([event(n, text="x") for n in range(1, 25_001)], 3),
        ([event(1), event(2, at=NOW + 25 * 3600 * 1000)], 2),
        ([event(1), event(2, at=NOW - 25 * 3600 * 1000), event(3, at=NOW)], 3),
    ],
    ids=["bytes", "events", "a day", "a clock that was set"],
)
def test_a_batch_ends_at_the_limits_of_the_api(
    node: Node, events: list[Event], batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.journal, node.largest_read = events, 60_000

    node.run()

    assert len(node.taken) == len(events)
    assert len(node.sizes) == batches


def test_the_first_event_fits_whatever_its_size() -> None:
    largest = event_of(entry("x" * 10_000_000))

    assert Batch().has_room(largest)
    assert largest.size < 100_000
    assert largest.text.endswith('(cut)"}')


def test_an_event_is_data_and_readable() -> None:
    read = event_of(entry('event="lease taken" epoch=3'))

    assert read.at == NOW
    assert json.loads(read.text) == {
        "unit": "ray-head",
        "priority": 4,
        "message": 'event="lease taken" epoch=3',
    }


def test_a_line_of_systemd_about_a_unit_is_that_units() -> None:
    said = entry("Started.", _SYSTEMD_UNIT="init.scope", UNIT="ray-head.service")

    assert json.loads(event_of(said).text)["unit"] == "ray-head"


def test_text_that_is_not_utf8_is_shipped_too() -> None:
    assert json.loads(event_of(entry([104, 255])).text)["message"] == "h�"


def test_a_cut_is_made_between_characters() -> None:
    text = json.loads(event_of(entry("é" * log_batch.MESSAGE_BYTES)).text)["message"]

    assert text.endswith("é (cut)")


def printing(tmp_path: Path, *written: str) -> JournalSource:
    """Return a source over a program that prints just that."""
    file = tmp_path / "out"
    file.write_text("".join(written))
    return JournalSource(["cat", str(file)], silent)


def read_all(source: JournalSource) -> list[str]:
    found: list[str] = []
    while not source.ended:
        found += [json.loads(one.text)["message"] for one in source.read(5)]
    source.close()
    return found


def test_entries_are_read_whole_however_the_pipe_cuts_them(tmp_path: Path) -> None:
    messages = [f"{n} " + "x" * (n % 5000) for n in range(300)]

    source = printing(tmp_path, *(json.dumps(entry(m)) + "\n" for m in messages))

    assert read_all(source) == messages


def test_an_endless_line_is_skipped_and_the_next_one_is_read(tmp_path: Path) -> None:
    endless = json.dumps(entry("x" * 3 * LINE_BYTES)) + "\n"

    source = printing(tmp_path, endless, "no json\n", "[]\n", json.dumps(entry("next")) + "\n")

    assert read_all(source) == ["next"]


def test_reading_a_quiet_journal_returns_after_the_timeout() -> None:
    source = JournalSource([sys.executable, "-c", "import time; time.sleep(60)"], silent)
    began = time.monotonic()

    assert source.read(0.1) == []

    assert time.monotonic() - began < 30
    source.close()


def test_closing_ends_journalctl_and_leaves_no_descriptor() -> None:
    before = set(Path("/proc/self/fd").iterdir())

    for _ in range(3):
        JournalSource(["sleep", "60"], silent).close()

    assert set(Path("/proc/self/fd").iterdir()) == before


def test_the_command_follows_from_the_cursor_or_from_the_first_line() -> None:
    command = journal_command(("ray-head", "cloud-init"), "s=1;i=2", follow=True)

    assert {"--unit=ray-head", "--unit=cloud-init", "--after-cursor=s=1;i=2"} <= set(command)
    assert {"--follow", "--no-tail", "--merge"} <= set(command)
    assert not {"--follow"} & set(journal_command((), "", follow=False))


STREAM = Stream("us-east-1", "/raykiln/dev/head", "i-1")


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("logs", region_name="us-east-1")
        client.create_log_group(logGroupName=STREAM.group)
        yield client


def a_batch(*events: Event) -> Batch:
    batch = Batch()
    for one in events:
        batch.add(one)
    return batch


def now() -> int:
    return int(time.time() * 1000)


def stored(logs: Any) -> list[str]:
    found = logs.get_log_events(
        logGroupName=STREAM.group, logStreamName=STREAM.name, startFromHead=True
    )
    return [one["message"] for one in found["events"]]


def test_the_stream_is_created_with_the_first_line(logs: Any) -> None:
    stream = CloudWatchStream(logs, STREAM, silent)

    stream.put(a_batch(event(1, now())))
    stream.put(a_batch(event(2, now())))

    assert stored(logs) == lines([1, 2])


def test_lines_are_sent_by_time_even_when_the_clock_was_set_back(logs: Any) -> None:
    at = now()

    CloudWatchStream(logs, STREAM, silent).put(a_batch(event(1, at), event(2, at - 5000)))

    assert stored(logs) == lines([2, 1])


def test_lines_rejected_for_their_age_are_logged_and_the_others_stored(logs: Any) -> None:
    said: list[str] = []

    def log(what: str, **_: object) -> None:
        said.append(what)

    old = event(1, now() - 15 * 24 * 3600 * 1000)
    CloudWatchStream(logs, STREAM, log).put(a_batch(old))
    CloudWatchStream(logs, STREAM, log).put(a_batch(event(2, now())))

    assert said == ["lines rejected for their age"]
    assert stored(logs) == lines([2])


def test_a_missing_log_group_is_an_error_that_may_pass(logs: Any) -> None:
    nowhere = Stream("us-east-1", "/raykiln/none/head", "i-1")

    with pytest.raises(ClientError):
        CloudWatchStream(logs, nowhere, silent).put(a_batch(event(1, now())))


def test_the_groups_are_those_of_the_foundation() -> None:
    text = TEMPLATE.read_text()

    for role in ("head", "worker"):
        assert f'LogGroupName: !Sub "/raykiln/${{Environment}}/{role}"' in text


def test_a_node_that_gives_up_waits_until_its_last_lines_are_shipped(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "progress.json")
    progress.write("c", 1_000_500)

    await_shipped(1000.4, progress)
    with pytest.raises(TimeoutError):
        await_shipped(1000.6, progress, seconds=0.05, every=0.01)


def test_a_shipper_waits_for_the_metadata_service(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    log, origin = RecordedLog(), object()

    def find() -> object:
        if len(pauses) < 8:
            raise OSError("away")
        return origin

    monkeypatch.setattr(shipper, "find_origin", find)
    monkeypatch.setattr(time, "sleep", pauses.append)

    assert shipper.await_origin(log) is origin
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert log.events == ["no log stream yet"] * 8


def test_without_a_shipper_it_does_not_wait_for_ever(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        await_shipped(1.0, Progress(tmp_path / "none"), seconds=0.05, every=0.01)


@pytest.mark.parametrize(
    ("code", "kind"),
    [("InvalidParameterException", Rejected), ("ThrottlingException", ClientError)],
)
def test_lines_that_cloudwatch_will_never_take_are_rejected(
    code: str, kind: type[Exception]
) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html"""
    aws: Any = Answers(put_log_events=refused(code))

    with pytest.raises(kind):
        CloudWatchStream(aws("logs"), STREAM, silent).put(a_batch(event(1, now())))


def test_the_journal_is_asked_for_whole_entries_of_the_units_after_the_last_one() -> None:
    assert journal_command(["a.service", "b.service"], "", follow=False) == [
        "journalctl",
        "--output=json",
        "--output-fields=MESSAGE,PRIORITY,UNIT,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER",
        "--all",
        "--quiet",
        "--no-pager",
        "--unit=a.service",
        "--unit=b.service",
    ]
    assert journal_command(["a.service"], "c", follow=True)[6:] == [
        "--unit=a.service",
        "--after-cursor=c",
        "--follow",
        "--no-tail",
        "--merge",
    ]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"MESSAGE": "up", "PRIORITY": "3", "_SYSTEMD_UNIT": "ray-head.service"},
            {"unit": "ray-head", "priority": 3, "message": "up"},
        ),
        ({"SYSLOG_IDENTIFIER": "sshd"}, {"unit": "sshd", "priority": 6, "message": ""}),
        ({"MESSAGE": ["a", 1]}, {"unit": "", "priority": 6, "message": "['a', 1]"}),
    ],
)
def test_what_an_entry_lacks_is_left_open(
    fields: dict[str, object], line: dict[str, object]
) -> None:
    read = event_of({"__CURSOR": "s=1", "__REALTIME_TIMESTAMP": "1795000000000999", **fields})

    assert (read.at, read.cursor) == (NOW, "s=1")
    assert json.loads(read.text) == line


def test_text_is_shipped_as_it_is_and_not_escaped() -> None:
    read = event_of(entry("é"))

    assert read.text == '{"unit": "ray-head", "priority": 4, "message": "é"}'
    assert read.size == len(read.text) + 1 + 26


@pytest.mark.parametrize(("length", "cut_to"), [(65_536, 65_536), (65_537, 65_536)])
def test_a_message_has_sixty_four_kilobytes_at_most(length: int, cut_to: int) -> None:
    text = log_batch.shortened("x" * length)

    assert len(text) == cut_to
    assert text.endswith(" (cut)") == (length > cut_to)


def a_size(size: int, at: int = NOW) -> Event:
    return Event(at, "x" * (size - 26), "c")


@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        (a_size(1_000_000), a_size(48_576), True),
        (a_size(1_000_000), a_size(48_577), False),
        (a_size(100), a_size(100, NOW + 86_399_999), True),
        (a_size(100), a_size(100, NOW + 86_400_000), False),
        (a_size(100), a_size(100, NOW - 86_400_000), False),
    ],
)
def test_a_batch_takes_as_much_as_one_call_allows(first: Event, second: Event, fits: bool) -> None:
    assert a_batch(first).has_room(second) == fits


def test_a_batch_has_ten_thousand_events_at_most() -> None:
    batch = a_batch(*(a_size(27) for _ in range(9_999)))
    assert batch.has_room(a_size(27))

    batch.add(a_size(27))

    assert len(batch) == 10_000
    assert not batch.has_room(a_size(27))


class Away(Node):
    """A node whose CloudWatch Logs stays away; every attempt is timed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.attempts: list[float] = []

    def put(self, batch: Batch) -> None:
        self.attempts.append(self.clock.time)
        raise away()


def test_pauses_between_attempts_double_up_to_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda least, most: most)
    node = Away(tmp_path)
    node.log(1)

    node.run(seconds=260)

    pauses = [b - a for a, b in pairwise(node.attempts) if a < 250]
    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_once_stopped_it_tries_every_second_and_once_more_when_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda least, most: most)
    node = Away(tmp_path)
    node.log(1)

    node.run(seconds=100)

    asked = node.clock.alarm
    after = [at - asked for at in node.attempts if at >= asked]
    assert after == [0, 1, 2, 3, 4, 5, 6, 7, 8, 8]


def test_a_pause_is_half_of_what_it_may_be_at_least(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[float, float]] = []

    def uniform(least: float, most: float) -> float:
        asked.append((least, most))
        return least

    monkeypatch.setattr("random.uniform", uniform)
    node = Away(tmp_path)
    node.log(1)

    node.run(seconds=8)

    assert set(asked) == {(0.5, 1.0)}
    assert [b - a for a, b in pairwise(node.attempts)][:3] == [0.5, 1.0, 2.0]


def test_a_batch_waits_two_seconds_for_more_lines(node: Node) -> None:
    sent: list[float] = []
    shipper = node.shipper()
    shipper._put = lambda batch: sent.append(node.clock.time)
    node.log(1)
    node.stop(shipper, 30)

    shipper.run()

    assert sent == [2.0]
    assert node.progress.cursor() == "1"


def test_journalctl_is_started_again_after_ten_seconds(node: Node) -> None:
    opened: list[float] = []
    closed: list[Source] = []

    class Ends(FakeSource):
        def close(self) -> None:
            closed.append(self)

    def ends(cursor: str, follow: bool) -> Source:
        opened.append(node.clock.time)
        source = Ends(node, cursor, follow)
        source.ended = True
        return source

    shipper = node.shipper()
    shipper._open = ends
    node.stop(shipper, 25)

    shipper.run()

    assert opened == [0.0, 10.0, 20.0, 25.0]
    assert len(closed) == 4


def test_lines_of_what_is_shipped_are_logged_with_how_many(node: Node) -> None:
    said = RecordedLog()
    shipper = node.shipper()
    shipper._log = said
    node.log(1, 2)
    unreachable, rejected = away(), Rejected("too old")
    node.errors = [unreachable, rejected]
    node.stop(shipper, 20)

    shipper.run()

    assert said.lines == [
        ("logs not shipped", {"count": 2, "error": unreachable}),
        ("lines dropped", {"count": 2, "error": rejected}),
    ]


def test_progress_has_the_time_of_the_last_line(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "progress.json")
    assert (progress.cursor(), progress.shipped_until()) == ("", 0)

    progress.write("s=2", 5)

    assert (progress.cursor(), progress.shipped_until()) == ("s=2", 5)
    assert (tmp_path / "progress.json").read_text() == '{"cursor": "s=2", "at": 5}\n'
    assert (tmp_path / "progress.json").stat().st_mode & 0o777 == 0o644
    (tmp_path / "progress.json").write_text("[1]")
    assert (progress.cursor(), progress.shipped_until()) == ("", 0)
