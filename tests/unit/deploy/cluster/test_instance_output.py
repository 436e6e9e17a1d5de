"""Instance output: quoted from the console of a terminated head, and safe for a terminal."""

from typing import Any

from botocore.exceptions import ClientError

from deploy.cluster.instance_output import LINES, console_output


class FakeConsole:
    """An EC2 that returns one console, or refuses."""

    def __init__(self, output: str | None) -> None:
        self.output = output

    def __call__(self, service: str) -> "FakeConsole":
        return self

    def get_console_output(self, InstanceId: str) -> Any:  # noqa: N803
        if self.output is None:
            answer: Any = {"Error": {"Code": "UnauthorizedOperation"}}
            raise ClientError(answer, "GetConsoleOutput")
        return {"InstanceId": InstanceId, "Output": self.output}


def console(output: str | None) -> str:
    aws: Any = FakeConsole(output)
    return console_output(aws, "i-1")


def test_the_end_is_quoted_without_empty_lines() -> None:
    text = "\n\n".join(str(number) for number in range(100))

    assert console(text).splitlines() == [str(number) for number in range(100 - LINES, 100)]


def test_a_node_that_gave_up_is_quoted_from_there() -> None:
    output = """[  OK  ] Reached target basic.target - Basic System.
[ 9124.8] python[82]: event="giving up" instance=i-1 role=head
[ 9124.8] python[82]: event="head failed" why="s3://b/dev/autoscaler/1.yaml: NoSuchKey"
         Stopping ssh.service - OpenBSD Secure Shell server...
[  OK  ] Stopped target network.target - Network.
[ ***  ] Job ray-head.service/start running (7s / 2min 33s)
"""
    assert console(output).splitlines() == [
        '[ 9124.8] python[82]: event="giving up" instance=i-1 role=head',
        '[ 9124.8] python[82]: event="head failed" why="s3://b/dev/autoscaler/1.yaml: NoSuchKey"',
    ]


def test_a_failed_unit_is_kept() -> None:
    assert console("[FAILED] Failed to start ray-head.service.\n").startswith("[FAILED]")


def test_terminal_control_sequences_are_removed() -> None:
    assert console("\x1b[0;31mno secret\x1b[0m\x07\r\n\x1b[2J") == "no secret"


def test_a_console_that_cannot_be_read_is_empty() -> None:
    assert console(None) == ""
