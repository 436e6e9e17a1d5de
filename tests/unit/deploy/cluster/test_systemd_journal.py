"""A systemd journal read in pages through Run Command: no line is lost or repeated.

The command that reads a page really runs here, with a fake journalctl.
"""

import base64
import contextlib
import gzip
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from common.clients import Clients
from common.errors import PipelineError
from deploy.cluster.systemd_journal import (
    LogLine,
    Page,
    SystemdJournal,
    journal_command,
    page_of,
)
from deploy.operate.head_logs import HeadLog, LogQuery
from localcloud.driver import Answer
from localcloud.world import World
from tests.unit.deploy.builders import REGION, an_environment
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

SSM_SHOWS = 24_000
BEGAN = int(time.time()) * 1_000_000  # CloudWatch Logs takes nothing old
# The part of journalctl(1) in use: entries of a unit, the newest ones or those after a cursor.
JOURNALCTL = """#!{python}
import sys
from pathlib import Path
options = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
entries = Path({entries!r}).read_text().splitlines()
if "after-cursor" in options:
    entries = entries[int(options["after-cursor"]):]
if "lines" in options:
    entries = entries[-int(options["lines"]):]
sys.stdout.write("".join(entry + chr(10) for entry in entries))
sys.stderr.write({complaint!r})
"""


class Head:
    """A machine with a journal; ``say`` adds to it."""

    def __init__(self, folder: Path, driver: FakeDriver, clock: FakeClock) -> None:
        self.driver, self.clock = driver, clock
        self.folder, self.entries = folder, folder / "entries"
        self.entries.touch()
        self.said: list[str] = []
        self.install()
        driver.on_run = self.run
        ec2 = boto3.client("ec2", region_name=REGION)
        made = ec2.run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)
        self.id = str(made["Instances"][0]["InstanceId"])
        clock.advance(10)

    def install(self, complaint: str = "") -> None:
        path = self.folder / "journalctl"
        text = JOURNALCTL.format(
            python=sys.executable, entries=str(self.entries), complaint=complaint
        )
        path.write_text(text)
        path.chmod(0o755)

    def run(self, instance_id: str, script: str) -> Answer:
        path = f"{self.folder}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-c", script], capture_output=True, text=True, env={"PATH": path}
        )
        return Answer(done.returncode, done.stdout[:SSM_SHOWS], done.stderr)

    def say(self, *messages: object, unit: str = "ray-head.service") -> None:
        with self.entries.open("a") as file:
            for message in messages:
                self.said.append(str(message))
                entry = {
                    "__CURSOR": str(len(self.said)),
                    "__REALTIME_TIMESTAMP": str(BEGAN + len(self.said) - 1),
                    "_SYSTEMD_UNIT": unit,
                    "MESSAGE": message,
                }
                file.write(json.dumps(entry) + "\n")

    @property
    def journal(self) -> SystemdJournal:
        return SystemdJournal(Clients(REGION), self.clock, self.id)


@pytest.fixture
def head(world: World, driver: FakeDriver, clock: FakeClock, tmp_path: Path) -> Head:
    return Head(tmp_path, driver, clock)


def messages(lines: object) -> list[str]:
    assert hasattr(lines, "__iter__")
    return [line.message for line in lines]


def test_the_newest_lines_come_in_order_with_time_and_unit(head: Head) -> None:
    head.say(*(f"line {n}" for n in range(100)))

    lines = list(head.journal.newest(3))

    assert messages(lines) == ["line 97", "line 98", "line 99"]
    when = datetime.fromtimestamp(BEGAN / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    assert str(lines[0]) == f"{when}.000Z ray-head line 97"


def test_several_pages_are_read(head: Head) -> None:
    head.say(*(f"line {n}" for n in range(3000)))

    assert messages(head.journal.newest(2500)) == head.said[500:]
    assert len(head.driver.scripts) > 2


def test_entries_that_ssm_cut_off_are_read_again(head: Head) -> None:
    chance = random.Random(7)  # noqa: S311 (no secret)
    head.say(*(chance.randbytes(1500).hex() for _ in range(60)))

    assert messages(head.journal.newest(60)) == head.said
    assert len(head.driver.scripts) > 3


def test_following_neither_loses_nor_repeats_a_line(head: Head) -> None:
    head.say(*(f"old {n}" for n in range(20)))
    lines = head.journal.follow(5)
    got = messages(islice(lines, 5))

    for burst in (1, 700, 3):
        head.say(*(f"burst of {burst}: {n}" for n in range(burst)))
        got += messages(islice(lines, burst))

    assert got == head.said[15:]


def test_following_an_empty_journal_waits_for_its_first_line(head: Head) -> None:
    lines = head.journal.follow(5)
    waited = head.clock.now() + 30
    head.clock.listeners.append(
        lambda: None if head.said or head.clock.now() < waited else head.say("at last")
    )

    assert next(lines).message == "at last"


def test_binary_and_long_messages_are_shown_as_text(head: Head) -> None:
    head.say([104, 195, 182, 255], None, "\x1b[31mred\x1b[0m\x07")

    assert messages(head.journal.newest(3)) == ["hö�", "(a line of more than 4096 bytes)", "red"]


def test_a_journal_that_cannot_be_read_gives_the_reason(head: Head) -> None:
    head.install(complaint="Failed to add filter for units: bad unit name\n")

    with pytest.raises(PipelineError) as raised:
        list(head.journal.newest(3))

    assert raised.value.message == (
        f"the journal of {head.id} could not be read: "
        "Success 0: Failed to add filter for units: bad unit name"
    )
    assert raised.value.hint == "is the unit's name correct?"


def test_garbled_output_is_an_error() -> None:
    with pytest.raises(PipelineError, match=r"^the journal arrived garbled: ") as raised:
        page_of("never gzip at all")

    assert raised.value.hint == "try again"


def test_a_page_is_asked_for_as_json_that_fits_into_what_ssm_returns() -> None:
    assert journal_command(("ray-head.service", "ray-logs.service"), ("--lines=3",)) == (
        "journalctl --quiet --no-pager --output=json "
        "--output-fields=MESSAGE,_SYSTEMD_UNIT,UNIT,SYSLOG_IDENTIFIER "
        "--unit=ray-head.service --unit=ray-logs.service --lines=3 "
        "| head --bytes=100000 | gzip | base64 --wrap=0"
    )


def a_page(*entries: bytes) -> str:
    """Return what the command prints for entries, each the JSON of an entry's own fields."""
    rows = (b'{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1500000",%s}\n' % entry for entry in entries)
    return base64.b64encode(gzip.compress(b"".join(rows))).decode()


def test_a_line_belongs_to_the_unit_that_it_is_about() -> None:
    found = page_of(
        a_page(
            b'"UNIT":"ray-head.service","_SYSTEMD_UNIT":"init.scope","MESSAGE":"Started"',
            b'"_SYSTEMD_UNIT":"ray-head.service","SYSLOG_IDENTIFIER":"python","MESSAGE":"leads"',
            b'"SYSLOG_IDENTIFIER":"kernel","MESSAGE":"killed"',
            b'"MESSAGE":"who?"',
        )
    )

    assert found == Page(
        (
            LogLine(1.5, "ray-head", "Started", "c"),
            LogLine(1.5, "ray-head", "leads", "c"),
            LogLine(1.5, "kernel", "killed", "c"),
            LogLine(1.5, "", "who?", "c"),
        ),
        is_last=True,
    )


def test_what_is_not_utf_8_is_shown_as_well_as_it_can_be() -> None:
    (line,) = page_of(a_page(b'"MESSAGE":"h\xff"')).lines

    assert line.message == "h\ufffd"


def test_a_unit_is_quoted_for_the_shell(head: Head) -> None:
    journal = SystemdJournal(Clients(REGION), head.clock, head.id, ("a; touch /tmp/no",))

    list(journal.newest(1))

    assert "'--unit=a; touch /tmp/no'" in head.driver.scripts[0][1]


def log(head: Head, *, lines: int = 5, follow: bool = False) -> Iterator[str]:
    """Return what `invoke head.logs` prints, without times and unit."""
    query = LogQuery(head.id, ("ray-head",), lines, follow)
    found = HeadLog(Clients(REGION), an_environment(), query, head.clock).lines()
    return (line.rpartition("ray-head ")[2] for line in found)


def ship(head: Head, *messages: str, unit: str = "ray-head") -> None:
    """Store lines of the journal as node/logs/shipper.py does."""
    logs = boto3.client("logs", region_name=REGION)
    where = {"logGroupName": "/raykiln/dev/head", "logStreamName": head.id}
    with contextlib.suppress(ClientError):
        logs.create_log_group(logGroupName="/raykiln/dev/head")
        logs.create_log_stream(**where)
    events = [
        {
            "timestamp": (BEGAN + head.said.index(message)) // 1000,
            "message": json.dumps({"unit": unit, "priority": 6, "message": message}),
        }
        for message in messages
    ]
    answer = logs.put_log_events(**where, logEvents=events)
    assert not answer.get("rejectedLogEventsInfo")


def terminate(head: Head) -> None:
    boto3.client("ec2", region_name=REGION).terminate_instances(InstanceIds=[head.id])
    head.clock.advance(5)


def test_a_terminated_head_is_followed_to_its_last_shipped_line(head: Head) -> None:
    head.say(*(f"line {n}" for n in range(10)))
    lines = log(head, follow=True)
    shown = list(islice(lines, 5))
    head.say("the same", "the same millisecond")
    shown += islice(lines, 2)
    head.say("good-bye")
    ship(head, *head.said)
    terminate(head)

    with pytest.raises(PipelineError, match="does not answer any more"):
        shown.extend(lines)

    assert shown == head.said[5:]


def test_a_terminated_head_is_read_from_its_shipped_lines(head: Head) -> None:
    head.say(*(f"line {n}" for n in range(10)), "another unit's")
    ship(head, *head.said[:10])
    ship(head, "another unit's", unit="cloud-init")
    terminate(head)

    assert list(log(head, lines=3)) == ["line 7", "line 8", "line 9"]


def test_without_shipped_lines_the_console_is_shown_and_the_command_fails(head: Head) -> None:
    head.driver.consoles[head.id] = "power is failing\n"
    terminate(head)
    shown: list[str] = []

    with pytest.raises(PipelineError, match="does not answer any more") as raised:
        shown.extend(log(head))

    assert shown == ["power is failing"]
    assert raised.value.exit_code == 2
