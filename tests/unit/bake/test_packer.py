"""Packer through python-packer: the real Packer, on templates that change nothing."""

import re
import signal
import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import sh

from bake import packer as module
from bake.cancellation import Cancellation, Cancelled
from bake.packer import Packer, Template, prepare_template
from common.checkout import REPOSITORY
from common.errors import PipelineError, Refused

TEMPLATE = """
variable "words" {
  type    = string
  default = "nothing"
}
variable "numbers" {
  type    = list(number)
  default = []
}
source "null" "one" {
  communicator = "none"
}
build {
  sources = ["null.one"]
  provisioner "shell-local" {
    inline = ["SCRIPT"]
  }
}
"""
# Builds as a bake does: in threads, while the main thread waits for Ctrl-C.
CHILD = """
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from bake.cancellation import Cancellation
from bake.packer import Packer
show = lambda line: print(line, flush=True)
cancellation = Cancellation()
with ThreadPoolExecutor() as pool:
    try:
        builds = [Packer(Path(sys.argv[1]), on_line=show).build for _ in range(2)]
        wait([pool.submit(build, cancellation) for build in builds])
    except BaseException:
        cancellation.request()
        raise
"""
# Which of them Packer prints depends on who gets the signal first: Packer, or its script.
LAST_WORDS = re.compile("Cleanly cancelled builds|no artifacts were created")
NEVER = Cancellation()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def a_template(folder: Path, script: str) -> Path:
    (folder / "test.pkr.hcl").write_text(TEMPLATE.replace("SCRIPT", script))
    return folder


def test_the_version_is_a_tuple_of_numbers() -> None:
    assert Packer(REPOSITORY / "packer").version() >= (1, 6, 6)


def test_a_folder_builds_and_every_line_is_passed_on(folder: Path) -> None:
    lines: list[str] = []

    Packer(a_template(folder, "echo said ${var.words}"), on_line=lines.append).build(NEVER)

    assert [line for line in lines if line.endswith("said nothing")]
    assert "\x1b" not in "".join(lines)


def test_variables_keep_their_types(folder: Path) -> None:
    lines: list[str] = []
    template = a_template(folder, "echo ${var.words} has ${length(var.numbers)}")

    Packer(template, variables={"words": "it", "numbers": [1, 2]}, on_line=lines.append).build(
        NEVER
    )

    assert [line for line in lines if line.endswith("it has 2")]


def test_a_build_that_is_cancelled_before_it_begins_does_not_begin(folder: Path) -> None:
    lines: list[str] = []
    cancellation = Cancellation()
    cancellation.request()

    with pytest.raises(Cancelled):
        Packer(a_template(folder, "true"), on_line=lines.append).build(cancellation)

    assert lines == []


def test_validate_returns_the_errors_of_a_template(folder: Path) -> None:
    a_template(folder, "true").joinpath("extra.pkr.hcl").write_text('nonsense "x" {}')

    assert "nonsense" in Packer(folder).validate()


def test_a_build_that_fails_raises_after_its_lines_were_passed_on(folder: Path) -> None:
    lines: list[str] = []

    with pytest.raises(sh.ErrorReturnCode):
        Packer(a_template(folder, "echo why; exit 3"), on_line=lines.append).build(NEVER)

    assert [line for line in lines if line.endswith("why")]


def test_interrupted_builds_end_after_packer_has_cleaned_up(folder: Path) -> None:
    template = a_template(folder, "echo begun; exec sleep 300")
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(template)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=REPOSITORY,
        start_new_session=True,
    ) as child:
        guard = threading.Timer(60, child.kill)
        guard.start()
        output = iter(child.stdout or ())
        begun = (line for line in output if line.endswith("begun\n"))
        assert len(list(islice(begun, 2))) == 2
        child.send_signal(signal.SIGINT)
        words = "".join(output)
        guard.cancel()

    assert len(LAST_WORDS.findall(words)) == 2
    assert words.rstrip().endswith("KeyboardInterrupt")


class Quiet:
    """A Packer that prints what a test says, or fails."""

    def __init__(self, version: str, failure: Exception | None = None) -> None:
        self.printed, self.failure = version, failure
        self.initialized: list[str] = []

    def __call__(self, *words: str) -> str:
        assert words == ("version",)
        return self.printed

    def init(self, folder: str) -> None:
        self.initialized.append(folder)
        if self.failure:
            raise self.failure


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Templates for both kinds of Packer."""
    for name in ("shared", "current/source", "1.6.6/source"):
        path = tmp_path / f"checkout/packer/{name}.pkr.hcl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "checkout"


def quiet(monkeypatch: pytest.MonkeyPatch, made: Quiet) -> Quiet:
    real = Packer.__init__

    def begin(self: Any, *arguments: Any, **options: Any) -> None:
        real(self, *arguments, **options)
        self._quiet = made

    monkeypatch.setattr(Packer, "__init__", begin)
    return made


@pytest.mark.parametrize(
    ("version", "current"),
    [
        ("Packer v1.6.6", False),
        ("Packer v1.7.0\nYour version is out of date", True),
        ("Packer v1.15.4", True),
    ],
)
def test_the_template_is_that_of_the_packer_that_is_installed(
    monkeypatch: pytest.MonkeyPatch, checkout: Path, tmp_path: Path, version: str, current: bool
) -> None:
    made = quiet(monkeypatch, Quiet(version))
    into = tmp_path / "a/template"

    assert prepare_template(into, checkout) == Template(into, current)

    assert {path.name: path.read_text() for path in into.iterdir()} == {
        "shared.pkr.hcl": "shared",
        "source.pkr.hcl": "current/source" if current else "1.6.6/source",
    }
    assert made.initialized == ([str(into)] if current else [])


def test_a_plugin_that_cannot_be_installed_is_said_as_packer_says_it(
    monkeypatch: pytest.MonkeyPatch, checkout: Path, tmp_path: Path
) -> None:
    failure = sh.ErrorReturnCode_1("packer", b" no \n", b"route \xff\n")
    quiet(monkeypatch, Quiet("Packer v1.9.0", failure))

    with pytest.raises(PipelineError) as failed:
        prepare_template(tmp_path / "template", checkout)

    assert failed.value.message == ("packer init could not install the plugins: no \nroute \ufffd")
    assert failed.value.hint == (
        "it needs a way to github.com once; or `packer plugins install` them by hand"
    )


def test_another_program_of_that_name_is_refused(
    monkeypatch: pytest.MonkeyPatch, checkout: Path, tmp_path: Path
) -> None:
    quiet(monkeypatch, Quiet("a tool of cracklib"))

    with pytest.raises(PipelineError) as failed:
        prepare_template(tmp_path / "template", checkout)

    assert failed.value.message == "`packer version` does not print a version"
    assert failed.value.hint == "install Packer"


def test_without_packer_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, checkout: Path, tmp_path: Path
) -> None:
    def absent(name: str) -> Any:
        raise sh.CommandNotFound(name)

    monkeypatch.setattr(module.sh, "Command", absent)  # type: ignore[attr-defined]

    with pytest.raises(Refused) as refused:
        prepare_template(tmp_path / "template", checkout)

    assert refused.value.message == "Packer is not installed"
    assert refused.value.hint == "./run.sh installs it"


def test_output_is_passed_on_line_by_line_whatever_it_holds() -> None:
    lines: list[str] = []
    writer = module._LineWriter(lines.append)

    writer.write(b"one\n\xff\n")
    writer.write("two\nthree")

    assert lines == ["one", "\ufffd", "two", "three"]
