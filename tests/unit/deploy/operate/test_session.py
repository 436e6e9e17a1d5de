"""A shell through Session Manager: the command, and the error when a tool is missing."""

from pathlib import Path

import pytest

from common.errors import Refused
from deploy.operate.session import session_command
from tests.unit.deploy.reach.plugins import install_plugin


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install_aws(folder: Path) -> None:
    (folder / "aws").write_text("#!/bin/sh\n")
    (folder / "aws").chmod(0o755)


def refusal() -> tuple[str, str]:
    with pytest.raises(Refused) as raised:
        session_command("i-1", "eu-west-1")
    return raised.value.message, raised.value.hint


def test_the_aws_cli_opens_the_session(tools: Path) -> None:
    install_aws(tools)
    install_plugin(tools)

    command = session_command("i-1", "eu-west-1")

    assert command == ["aws", "ssm", "start-session", "--target", "i-1", "--region", "eu-west-1"]


def test_a_missing_cli_is_named_with_where_to_get_it(tools: Path) -> None:
    install_plugin(tools)

    assert refusal() == (
        "a shell on i-1 needs `aws`, which is not installed",
        "install the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/"
        "getting-started-install.html",
    )


INSTALL = (
    "install it: https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html"
)


def test_a_missing_plugin_is_named_with_where_to_get_it(tools: Path) -> None:
    install_aws(tools)

    assert refusal() == (
        "a shell on i-1 needs AWS's plugin, and `session-manager-plugin` is not installed",
        INSTALL,
    )


def test_a_plugin_that_is_too_old_to_keep_the_token_secret_is_refused(tools: Path) -> None:
    install_aws(tools)
    install_plugin(tools, version="1.2.463.0")

    words, hint = refusal()

    assert "session-manager-plugin` is 1.2.463.0; " in words
    assert hint == INSTALL
