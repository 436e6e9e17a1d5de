"""documents.shell: how it ends where no shell is opened."""

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from commands import documents_shell
from common.errors import Refused
from deploy.documents.shell import ShellRequest
from tests.unit.deploy.documents.pipeline import with_documents
from tests.unit.localcloud.conftest import a_world
from tests.unit.localcloud.fakes import FakeClock, FakeDriver


def test_without_a_pipeline_it_says_how_to_have_one() -> None:
    clock = FakeClock()
    with (
        a_world(clock, FakeDriver(clock)),
        pytest.raises(Refused, match="dev has no document pipeline") as refused,
    ):
        documents_shell.shell_in(with_documents(), ShellRequest())

    assert refused.value.hint == "invoke documents.deploy --env dev"


def test_without_a_terminal_it_ends_with_1_and_says_what_to_do() -> None:
    with pytest.raises(Exit) as ended:
        documents_shell.shell(Context(), env="dev")

    assert ended.value.code == 1
    assert ended.value.message == (
        "a shell needs a terminal, and the standard input is none\n"
        "  → run it on a terminal; in a script, script(1) gives it one"
    )
