"""Ray's dashboards are all there, or none and no folder for them."""

import sys
from pathlib import Path

import pytest

from commands.dashboards import folder_for, write
from common.errors import PipelineError, Refused


def test_a_ray_that_cannot_make_them_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_ray = Path(sys.executable)
    monkeypatch.setattr("commands.ray_runtime.ray_command", lambda cache: without_ray)

    with pytest.raises(PipelineError) as failed:
        write(tmp_path / "new")

    assert failed.value.message == (
        "Ray could not make its dashboards: ModuleNotFoundError: No module named 'ray'"
    )
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("before", [True, False])
def test_a_folder_that_they_could_not_be_written_into_is_as_it_was(
    tmp_path: Path, before: bool
) -> None:
    folder = tmp_path / "new"
    if before:
        folder.mkdir()

    with pytest.raises(Refused), folder_for(folder):
        raise Refused("no room")

    assert folder.exists() is before
