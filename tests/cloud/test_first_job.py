"""docs/first-job.md from its first command to its last, on a local cloud of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud import control
from tests.cloud.first_job import Reader
from tests.cloud.harness import home, require_machines


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """Who reads the page on a machine without a local cloud."""
    require_machines()
    monkeypatch.setenv("RAYKILN_ENV", str(tmp_path / "local"))
    with home(tmp_path / "home"):
        try:
            yield Reader(tmp_path)
        finally:
            control.down()


def test_every_command_of_the_page_prints_what_the_page_says(reader: Reader) -> None:
    reader.write_files()
    index, asked = None, ""
    for step in reader.page.steps:
        if step.beside:
            index = reader.beside(step)
            continue
        reader.follows(step)
        if index:
            index.terminate()
            asked, index = index.communicate()[1], None

    assert '"GET /greet/greet-1.0-py3-none-any.whl HTTP/1.1" 200' in asked
    assert control.status().machines == ()
