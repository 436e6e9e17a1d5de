"""An image that holds the documents' application: what heads and workers have of it."""

import shutil
from pathlib import Path

import pytest

from bake.additions import Additions, read_additions
from bake.documents import IMAGE, application_files
from bake.ray_lock import Target, pins_for
from bake.units import unit_mistakes
from bake.wanted import WantedImage
from common.checkout import REPOSITORY
from common.errors import Refused
from tests.unit.deploy.builders import an_environment
from tests.unit.deploy.documents.pipeline import on_cluster

HEAD, WORKER = WantedImage("head"), WantedImage("worker")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"weights")
    return folder


def added(model: Path, repository: Path = REPOSITORY) -> tuple[Additions, Additions]:
    found = read_additions(on_cluster(), (HEAD, WORKER), repository, model)
    return found[HEAD], found[WORKER]


def test_a_worker_has_all_of_it_and_a_head_only_its_packages(model: Path) -> None:
    head, worker = added(model)

    assert [name for name, content in head.files.items() if content] == ["requirements.lock"]
    assert worker.lock() == head.lock()
    assert worker.scripts == ("60-documents.sh",)
    assert worker.below("provisioners/model/") == {"model.onnx": b"weights"}
    application = worker.below("provisioners/app/")
    assert {"documents/group.py", "documents/web/index.html", "common/clients.py"} <= {*application}
    assert not [name for name in application if name.startswith("documents/image/")]
    assert list(worker.below("units/")) == ["documents.service"]
    assert list(worker.below("tests/")) == ["test_application.py"]


def test_its_packages_are_in_rays_own_versions() -> None:
    """They are installed into Ray's own Python: read_additions would refuse another version."""
    target = Target("3.11", "x86_64")
    ours = {
        pin.name: pin.version
        for pin in pins_for((REPOSITORY / "documents/requirements.lock").read_text(), target)
    }
    rays = pins_for((REPOSITORY / "ami-provisioners/ray.lock").read_text(), target)

    assert ours["ray"] == "2.60.0"
    assert [pin.name for pin in rays if ours.get(pin.name, pin.version) != pin.version] == []


def test_a_change_of_it_is_another_image_of_workers_and_the_same_of_heads(
    model: Path, tmp_path: Path
) -> None:
    repository = tmp_path / "checkout"
    for folder in ("documents", "common", "ami-provisioners"):
        shutil.copytree(REPOSITORY / folder, repository / folder)
    before = added(model, repository)

    (repository / "documents/sweep.py").write_text("changed = True\n")

    after = added(model, repository)
    assert after[0].digest == before[0].digest
    assert after[1].digest != before[1].digest
    (model / "model.onnx").write_bytes(b"others")
    assert added(model, repository)[1].digest != after[1].digest


def test_its_unit_has_no_mistake() -> None:
    units = {path.name: path.read_bytes() for path in (REPOSITORY / IMAGE / "units").iterdir()}

    assert list(unit_mistakes(units)) == []


def test_requirements_of_ones_own_are_refused_beside_it() -> None:
    with pytest.raises(Refused, match="brings its own requirements: leave them empty"):
        an_environment(images={"x": {"documents": True, "requirements": "apps/x.lock"}})


def test_the_application_is_complete() -> None:
    files = {str(path) for path in application_files(REPOSITORY)}

    assert {"documents/parsing/child.py", "documents/web/page.js", "common/errors.py"} <= files
