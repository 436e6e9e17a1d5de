"""A shell through Session Manager: the command, and the error when a tool is missing."""

from pathlib import Path

import pytest

from common.errors import Refused
from deploy.operate.session import session_command


def install(folder: Path, *tools: str) -> None:
    for tool in tools:
        (folder / tool).write_text("#!/bin/sh\n")
        (folder / tool).chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_the_aws_cli_opens_the_session(tools: Path) -> None:
    install(tools, "aws", "session-manager-plugin")

    command = session_command("i-1", "eu-west-1")

    assert command == ["aws", "ssm", "start-session", "--target", "i-1", "--region", "eu-west-1"]


@pytest.mark.parametrize(
    ("there", "missing"), [("session-manager-plugin", "aws"), ("aws", "session-manager-plugin")]
)
def test_a_missing_tool_is_named_with_where_to_get_it(
    tools: Path, there: str, missing: str
) -> None:
    install(tools, there)

    with pytest.raises(Refused, match=f"`{missing}`") as raised:
        session_command("i-1", "eu-west-1")

    assert "https://docs.aws.amazon.com/" in raised.value.hint
