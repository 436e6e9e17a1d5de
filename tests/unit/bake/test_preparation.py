"""What the images of a bake need is gathered before the first instance."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bake import preparation
from bake.additions import Additions
from bake.base_image import BaseImage
from bake.catalog import images
from bake.context import BakeContext
from bake.digest import DigestInputs, image_digest
from bake.image_wheels import ImageWheels
from bake.owner import this_process
from bake.packer import Template
from bake.plan import BakePlan
from bake.preparation import prepare
from bake.spec import BuildSpec, ImageSpec
from bake.subnet import resolve_subnet
from bake.wanted import WantedImage
from common.checkout import REPOSITORY
from common.clients import Clients
from common.errors import Refused
from tests.unit.bake.conftest import register
from tests.unit.deploy.builders import an_environment
from tests.unit.localcloud.fakes import FakeClock

HEAD, GPU = WantedImage("head"), WantedImage("worker", "gpu")
BASE = BaseImage("ami-0", "debian-12", "/dev/xvda")
ADDED = Additions({"provisioners/10-one.sh": b"#!", "tests/test_it.py": b"pass"})
LOCKED = "six==1.16.0 --hash=sha256:00\n"


class Bench:
    """A context of which neither Packer nor pip is the real one; keeps what they were asked."""

    def __init__(self, clients: Clients, folder: Path) -> None:
        self.said: list[str] = []
        self.templates: list[tuple[Path, Path]] = []
        self.fetched: list[Any] = []
        self.wheels = {HEAD: ImageWheels(folder / "ray", None)}
        self.wheels[GPU] = ImageWheels(folder / "ray", folder / "added")
        (folder / "added").mkdir()
        (folder / "added/requirements.txt").write_text(LOCKED)
        environment = an_environment(images={"gpu": {"python": "3.12"}})
        self.context = BakeContext(
            clients, environment, folder / "home", folder / "cache", clock=FakeClock()
        )

    def template(self, into: Path, source: Path) -> Template:
        self.templates.append((into, source))
        return Template(into, current=True)

    def fetch(self, *arguments: Any) -> dict[WantedImage, ImageWheels]:
        self.fetched.append(arguments[:-1])
        return self.wheels


@pytest.fixture
def bench(clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(clients, tmp_path)
    monkeypatch.setattr(preparation, "prepare_template", made.template)
    monkeypatch.setattr(preparation, "fetch_wheels", made.fetch)
    return made


def a_plan(**changes: Any) -> BakePlan:
    values: dict[str, Any] = {
        "bases": {HEAD: BASE, GPU: BASE},
        "additions": {HEAD: Additions(), GPU: ADDED},
        "present": {},
        "untested": {},
        "missing": {HEAD: "", GPU: ""},
    }
    return BakePlan(**values | changes)


def test_a_packer_whose_images_may_not_be_tagged_is_refused_before_anything_is_made(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        preparation, "prepare_template", lambda into, source: Template(into, current=False)
    )
    with pytest.raises(Refused, match="which the bake role may not") as refused:
        prepare(bench.context, a_plan(), "abc")
    assert bench.fetched == []
    assert "old_packer = true" in refused.value.hint

    lenient = an_environment(images={"gpu": {"python": "3.12"}}, account={"old_packer": True})
    context = replace(bench.context, environment=lenient, home=tmp_path)
    assert prepare(context, a_plan(), "abc").builds


def test_each_image_to_build_has_all_that_its_build_takes(bench: Bench) -> None:
    prepared = prepare(bench.context, a_plan(), "abc")

    built = bench.context.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    folder = bench.context.home / "bakes" / built.replace(":", "")
    source = folder / "source"
    environment = bench.context.environment
    gpu = environment.image_named("gpu")
    inputs = DigestInputs.of(environment, GPU, "ami-0", ADDED)
    assert prepared.folder == folder
    assert prepared.tests == {}
    assert list(prepared.builds) == [HEAD, GPU]
    assert prepared.builds[GPU] == BuildSpec(
        image=GPU,
        environment=environment,
        subnet=resolve_subnet(bench.context.clients, gpu, GPU.place),
        additions=ADDED,
        owner=this_process(),
        built=built,
        folder=folder / "worker-gpu",
        base=BASE,
        source=source,
        template=Template(folder / "template", current=True),
        digest=image_digest(GPU, inputs, REPOSITORY),
        wheels=bench.wheels[GPU],
        ray_version="2.60.0",
        git="abc",
    )


def test_its_files_are_copies_of_the_checkout_and_what_is_added_to_it(bench: Bench) -> None:
    prepared = prepare(bench.context, a_plan(), "abc")

    folder = prepared.folder
    lock = "ami-provisioners/ray.lock"
    assert (folder / "source" / lock).read_text() == (REPOSITORY / lock).read_text()
    assert bench.templates == [(folder / "template", folder / "source")]
    assert bench.fetched == [
        (
            bench.context.environment,
            [(HEAD, Additions()), (GPU, ADDED)],
            folder / "source",
            bench.context.cache,
        )
    ]
    found = {
        os.path.relpath(path, folder / "worker-gpu"): path.read_text()
        for path in (folder / "worker-gpu").rglob("*")
        if path.is_file()
    }
    assert found == {
        "additions/provisioners/10-one.sh": "#!",
        "additions/tests/test_it.py": "pass",
        "additions/added.txt": LOCKED,
    }
    assert list(prepared.builds[HEAD].empty.iterdir()) == []
    assert not (folder / "head/additions/added.txt").exists()


def test_an_image_that_is_only_tested_needs_neither_packer_nor_wheels(
    bench: Bench, clients: Clients
) -> None:
    register(clients, "worker", image="gpu")
    (existing,) = images(clients)

    prepared = prepare(bench.context, a_plan(missing={}, untested={GPU: existing}), "abc")

    assert prepared.builds == {}
    assert type(prepared.tests[GPU]) is ImageSpec
    assert prepared.tests[GPU].folder == prepared.folder / "worker-gpu"
    assert (prepared.tests[GPU].added / "tests/test_it.py").read_text() == "pass"
    assert (bench.templates, bench.fetched) == ([], [])
