"""Instance output: quoted from the console of a terminated head, and safe for a terminal."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from deploy.cluster.instance_output import bootstrap_log, console_output
from tests.unit.answers import Answers, refused
from tests.unit.localcloud.fakes import FakeClock


class FakeConsole:
    """An EC2 that returns one console, or refuses."""

    def __init__(self, output: str | None) -> None:
        self.output = output

    def __call__(self, service: str) -> "FakeConsole":
        return self

    def get_console_output(self, InstanceId: str, Latest: bool) -> Any:  # noqa: N803
        if self.output is None:
            answer: Any = {"Error": {"Code": "UnauthorizedOperation"}}
            raise ClientError(answer, "GetConsoleOutput")
        return {"InstanceId": InstanceId, "Output": self.output}


def console(output: str | None) -> str:
    aws: Any = FakeConsole(output)
    return console_output(aws, "i-1")


def test_the_end_is_quoted_without_empty_lines() -> None:
    text = "\n\n".join(str(number) for number in range(100))

    assert console(text).splitlines() == [str(number) for number in range(88, 100)]


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


def test_cloud_init_s_keys_and_tables_are_no_last_words() -> None:
    key = "NTcxZGI3ZTRkYjU0YzI3ZjE3ZDQ5ZTE2ZGY1YjRkZDI"
    output = f"""[   41.2] cloud-init[541]: Cloud-init v. 24.4 running 'init'. Up 9 s.
[   41.9] cloud-init[541]: mount: /mnt/efs: Connection timed out
ci-info: +++++++++++++++++++Net device info+++++++++++++++++++
ci-info: | ens5 | True | 10.77.0.9 | 255.255.255.0 | global |
[   42.1] cloud-init[541]: Generating public/private ed25519 key pair.
[   42.1] cloud-init[541]: Your identification has been saved in /etc/ssh/ssh_host_ed25519_key
[   42.1] cloud-init[541]: Your public key has been saved in /etc/ssh/ssh_host_ed25519_key.pub
[   42.1] cloud-init[541]: The key fingerprint is:
[   42.1] cloud-init[541]: SHA256:{key} root@ip-10-77-0-9
[   42.1] cloud-init[541]: The key's randomart image is:
[   42.1] cloud-init[541]: +--[ED25519 256]--+
[   42.1] cloud-init[541]: |   .o++ =o==***  |
[   42.1] cloud-init[541]: |                 |
[   42.1] cloud-init[541]: +----[SHA256]-----+
The key's randomart image is:
+---[RSA 3072]----+
|  E ..           |
| .oo .=   . . .  |
+----[SHA256]-----+
<14>Nov 30 11:42:13 cloud-init: ########################################
<14>Nov 30 11:42:13 cloud-init: -----BEGIN SSH HOST KEY FINGERPRINTS-----
<14>Nov  1 11:42:13 cloud-init: 256 SHA256:{key} root@ip-10-77-0-9 (ED25519)
<14>Nov 30 11:42:13 ec2: -----END SSH HOST KEY FINGERPRINTS-----
-----BEGIN SSH HOST KEY KEYS-----
ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB1 root@ip-10-77-0-9
-----END SSH HOST KEY KEYS-----
[   43.0] cloud-init[541]: Cloud-init v. 24.4 finished. Datasource DataSourceEc2Local. Up 11 s.
"""
    assert console(output).splitlines() == [
        "[   41.2] cloud-init[541]: Cloud-init v. 24.4 running 'init'. Up 9 s.",
        "[   41.9] cloud-init[541]: mount: /mnt/efs: Connection timed out",
        "[   43.0] cloud-init[541]: Cloud-init v. 24.4 finished. Datasource DataSourceEc2Local. "
        "Up 11 s.",
    ]


def test_a_failed_unit_is_kept() -> None:
    assert console("[FAILED] Failed to start ray-head.service.\n").startswith("[FAILED]")


def test_terminal_control_sequences_are_removed() -> None:
    assert console("\x1b[0;31mno secret\x1b[0m\x07\r\n\x1b[2J") == "no secret"


def test_a_console_that_cannot_be_read_is_empty() -> None:
    assert console(None) == ""


def head_that_says(text: str) -> Any:
    """Return an AWS where a command on a head prints this, and its console another text."""
    printed = {"ResponseCode": 0, "StandardOutputContent": text, "StandardErrorContent": ""}
    return Answers(
        send_command={"Command": {"CommandId": "c-1"}},
        get_command_invocation={"Status": "Success", **printed},
        get_console_output={"Output": "of the console\n"},
    )


def test_a_head_that_runs_is_asked_for_the_end_of_its_bootstrap_log() -> None:
    aws = head_that_says("one\n\ntwo\n")

    assert bootstrap_log(aws, "i-1", clock=FakeClock()) == "one\ntwo"
    assert aws.requests[0] == (
        "ssm:send_command",
        {
            "InstanceIds": ["i-1"],
            "DocumentName": "AWS-RunShellScript",
            "TimeoutSeconds": 30,
            "Parameters": {
                "commands": ["tail -n 12 /var/log/ray-head-bootstrap.log"],
                "executionTimeout": ["20"],
            },
        },
    )


def test_where_there_is_no_log_yet_or_no_agent_answers_the_console_is_read() -> None:
    empty = head_that_says("\n")
    silent: Any = Answers(
        send_command=refused("InvalidInstanceId"), get_console_output={"Output": "booted"}
    )

    assert bootstrap_log(empty, "i-1", clock=FakeClock()) == "of the console"
    assert bootstrap_log(silent, "i-1", clock=FakeClock()) == "booted"
    latest = ("ec2:get_console_output", {"InstanceId": "i-1", "Latest": True})
    assert empty.requests[-1] == latest
    assert silent.requests[-1] == latest


@pytest.mark.parametrize("latest", [refused("UnsupportedOperation"), {}, {"Output": "\n"}])
def test_where_ec2_has_not_the_latest_what_it_posted_is_read(latest: Any) -> None:
    aws: Any = Answers(get_console_output=[latest, {"Output": "posted"}])

    assert console_output(aws, "i-1") == "posted"
    assert [request for _, request in aws.requests] == [
        {"InstanceId": "i-1", "Latest": True},
        {"InstanceId": "i-1", "Latest": False},
    ]
