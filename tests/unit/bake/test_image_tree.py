"""An image's files are read on a fresh instance of it, as root."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bake import image_tree
from bake.context import BakeContext
from bake.fresh_instance import InstanceSpec, SshAccess
from bake.image_tree import SCRIPT, TreeOf, take_tree
from bake.owner import this_process
from bake.subnet import resolve_subnet
from bake.wanted import WantedImage
from common.clients import Clients
from common.errors import PipelineError
from tests.unit.deploy.builders import an_environment
from tests.unit.localcloud.fakes import FakeClock

LINE = '["/etc", "directory", "755", "root", "root", "", ""]\n'


class Bench:
    """An instance that answers as a test says."""

    def __init__(self, clients: Clients, folder: Path) -> None:
        self.context = BakeContext(clients, an_environment(), folder, folder, clock=FakeClock())
        self.booted: list[InstanceSpec] = []
        self.asked: list[tuple[list[str], dict[str, Any]]] = []
        self.said: list[str] = []
        self.answer: Any = subprocess.CompletedProcess([], 0, LINE, "")
        self.what = TreeOf(WantedImage("worker"), "ami-1", folder / "tree")

    @contextmanager
    def boot(self, clients: Clients, spec: InstanceSpec, **options: Any) -> Iterator[SshAccess]:
        self.booted.append(spec)
        assert options["clock"] is self.context.clock
        assert options["is_cancelled"]() is False
        options["progress"]("booting")
        yield SshAccess("i-1", "10.0.0.9", "admin", spec.folder / "key")

    def run(self, command: list[str], **options: Any) -> Any:
        self.asked.append((command, options))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def bench(clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(clients, tmp_path)
    monkeypatch.setattr(image_tree, "fresh_instance", made.boot)
    monkeypatch.setattr(subprocess, "run", made.run)
    return made


def test_the_tree_is_what_the_script_prints_there_as_root(bench: Bench) -> None:
    found = take_tree(bench.context, bench.what, bench.said.append)

    assert dict(found) == {"/etc": ("directory", "755", "root", "root", "", "")}
    assert bench.what.file.read_text() == LINE
    assert bench.said == ["booting", "reading the files of ami-1"]
    ((command, options),) = bench.asked
    assert command[-5:] == ["admin@10.0.0.9", "sudo", "python3", "-I", "-"]
    assert options == {
        "input": SCRIPT.read_text(),
        "capture_output": True,
        "text": True,
        "check": True,
        "timeout": 1800,
    }


def test_the_instance_is_one_of_the_image_with_a_name_of_its_own(bench: Bench) -> None:
    take_tree(bench.context, bench.what, bench.said.append)

    (spec,) = bench.booted
    environment = bench.context.environment
    assert spec == InstanceSpec(
        environment=environment,
        settings=environment.image,
        subnet=resolve_subnet(bench.context.clients, environment.image),
        ami_id="ami-1",
        name=f"raykiln-tree-worker-{bench.context.now():%Y%m%d%H%M%S}",
        owner=this_process(),
        folder=spec.folder,
    )
    assert not spec.folder.exists()


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [
        (
            subprocess.TimeoutExpired([], 1800),
            "the files of i-1 were not read within 1800 s",
            "run it again: what was read once is in the volume",
        ),
        (
            subprocess.CalledProcessError(1, [], stderr="first\nsecond\nsudo: no python3\n"),
            "the files of i-1 could not be read: sudo: no python3",
            "the script runs as root by the base image's python3 and sudo",
        ),
        (
            subprocess.CalledProcessError(255, [], stderr=""),
            "the files of i-1 could not be read: exit code 255",
            "the script runs as root by the base image's python3 and sudo",
        ),
    ],
)
def test_files_that_cannot_be_read_are_a_failure_that_says_why(
    bench: Bench, answer: Exception, message: str, hint: str
) -> None:
    bench.answer = answer

    with pytest.raises(PipelineError) as failed:
        take_tree(bench.context, bench.what, bench.said.append)

    assert (failed.value.message, failed.value.hint) == (message, hint)
    assert not bench.what.file.exists()
