"""Mutants that may survive: the list of them holds for the code as it is."""

import subprocess
from fnmatch import filter as matching
from pathlib import Path

import pytest

from commands import survivors
from commands.survivors import Reason, changed, file_of, function, reason_for, reasons
from common.checkout import REPOSITORY

SHOWN = """\
# deploy.plan.facts.x__kind__mutmut_17: survived
--- deploy/plan/facts.py
+++ deploy/plan/facts.py
@@ -1,4 +1,4 @@
 def _kind(found):
-    kind = found.get("Type", GATEWAY)
+    kind = found.get("Type", None)
     return kind
"""


def test_the_lines_that_were_are_read_from_the_diff() -> None:
    assert changed(SHOWN) == ['    kind = found.get("Type", GATEWAY)']


def test_the_file_is_read_from_the_name_of_a_mutant() -> None:
    assert file_of("deploy.plan.facts.x__kind__mutmut_17") == "deploy/plan/facts.py"
    assert file_of("node.head.guard.xǁGuardǁmain__mutmut_12") == "node/head/guard.py"


def test_where_no_reason_is_of_its_file_a_mutant_is_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(*_: object, **__: object) -> None:
        pytest.fail("mutmut takes seconds to show one")

    monkeypatch.setattr(survivors, "reasons", lambda: (Reason("node/*", "", "it is so"),))
    monkeypatch.setattr(subprocess, "run", run)

    assert reason_for("deploy.plan.facts.x__kind__mutmut_17", Path("copy")) == ""


@pytest.mark.parametrize(
    ("files", "text", "why"),
    [
        ("deploy/plan/facts.py", 'found.get("Type", GATEWAY)', "it is so"),
        ("deploy/*", "GATEWAY", "it is so"),
        ("deploy/plan/facts.py", "def _kind(", "it is so"),
        ("deploy/plan/facts.py", "def _kin(", ""),
        ("node/*", "GATEWAY", ""),
        ("deploy/plan/facts.py", "return kind", ""),
        ("deploy/plan/facts.py", "None", ""),
    ],
)
def test_a_reason_is_that_of_a_changed_line(
    monkeypatch: pytest.MonkeyPatch, files: str, text: str, why: str
) -> None:
    monkeypatch.setattr(survivors, "reasons", lambda: (Reason(files, text, "it is so"),))
    monkeypatch.setattr(
        subprocess,
        "run",
        lambda command, **_: subprocess.CompletedProcess(command, 0, SHOWN, ""),
    )

    assert reason_for("deploy.plan.facts.x__kind__mutmut_17", Path("copy")) == why


@pytest.mark.parametrize(
    "mutant", ["node.worker.main.x_main__mutmut_7", "node.head.guard.xǁGuardǁmain__mutmut_12"]
)
def test_the_function_is_read_from_the_name_of_a_mutant(mutant: str) -> None:
    assert function(mutant) == "main"


def test_every_line_that_may_be_changed_is_still_there() -> None:
    def is_there(one: Reason) -> bool:
        room = REPOSITORY / one.files.partition("/")[0]
        files = {str(path.relative_to(REPOSITORY)): path for path in room.rglob("*.py")}
        return any(one.text in files[name].read_text() for name in matching(list(files), one.files))

    assert [f"{one.files}: {one.text}" for one in reasons() if not is_there(one)] == []
