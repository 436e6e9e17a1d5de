"""Packer through python-packer: the real Packer, on templates that change nothing."""

import re
import signal
import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path

import pytest
import sh

from bake.cancellation import Cancellation, Cancelled
from bake.packer import Packer
from common.checkout import REPOSITORY

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
