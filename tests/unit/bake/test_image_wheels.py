"""Images with the same lock share their wheels; one that lacks a package is refused."""

from hashlib import sha256
from pathlib import Path

import pytest

from bake.additions import Additions, read_additions
from bake.files import LOCK
from bake.image_wheels import fetch_wheels
from bake.wanted import WantedImage, wanted_images
from common.environment import Environment
from common.errors import PipelineError, Refused
from tests.unit.bake.test_wheelhouse import Index, index  # noqa: F401 - a fixture
from tests.unit.deploy.builders import an_environment


@pytest.fixture
def repository(index: Index) -> Path:  # noqa: F811 - a fixture
    """A repository whose Ray is one small wheel, and two locks of a person's."""
    folder = index.folder.parent / "repository"
    (folder / LOCK).parent.mkdir(parents=True)
    index.pin(index.publish("ray"))
    (folder / LOCK).write_text(index.lock.read_text())
    index.pin(index.publish("one"))
    for name in ("a.lock", "b.lock"):
        (folder / name).write_text(index.lock.read_text())
    return folder


def environment() -> Environment:
    group = {"instance_types": ["m6i.large"], "min": 0, "max": 3}
    images = {"a": {"requirements": "a.lock"}, "b": {"requirements": "b.lock"}, "c": {}}
    workers = {name: {**group, "image": name} for name in images}
    return an_environment(images=images, workers=workers)


def test_images_with_the_same_packages_share_a_wheelhouse(
    index: Index,  # noqa: F811 - a fixture
    repository: Path,
) -> None:
    wanted = wanted_images(environment())
    additions = read_additions(environment(), wanted, repository)
    words: list[str] = []

    found = fetch_wheels(environment(), additions.items(), repository, index.cache, words.append)

    added = [wheels.added for wheels in found.values()]
    assert added[0] is None
    assert added[1] == added[2] is not None
    assert added[3] is None
    assert len({wheels.ray for wheels in found.values()}) == 1
    assert words == ["1 of 1 wheels: ray", "1 of 1 wheels: one"]


def test_a_package_that_needs_another_is_refused_with_file_and_key(
    index: Index,  # noqa: F811 - a fixture
    repository: Path,
) -> None:
    index.lock.write_text("")
    index.pin(index.publish("two", needs="absent>=2"))
    (repository / "a.lock").write_text(index.lock.read_text())
    wanted = wanted_images(environment(), name="a")
    additions = read_additions(environment(), wanted, repository)

    with pytest.raises(Refused) as refused:
        fetch_wheels(environment(), additions.items(), repository, index.cache, lambda words: None)

    assert refused.value.message == (
        "dev.toml: images.a.requirements: a.lock: "
        "two-1.0-py3-none-any.whl needs absent>=2, which the lock does not hold"
    )


def test_images_of_two_architectures_have_the_wheels_of_their_own(
    index: Index,  # noqa: F811 - a fixture
    repository: Path,
) -> None:
    tags = ("cp311-cp311-manylinux2014_x86_64", "cp311-cp311-manylinux2014_aarch64")
    hashes = [sha256(index.publish("native", tag).read_bytes()).hexdigest() for tag in tags]
    (repository / LOCK).write_text(
        "native==1.0 " + " ".join(f"--hash=sha256:{digest}" for digest in hashes) + "\n"
    )
    arm = {"architecture": "arm64", "build_instance_type": "m7g.large"}
    worker = {"instance_types": ["m7g.large"], "min": 0, "max": 3, "image": "arm"}
    mixed = an_environment(images={"arm": arm}, workers={"arm": worker})
    additions = {image: Additions() for image in wanted_images(mixed)}

    found = fetch_wheels(mixed, additions.items(), repository, index.cache, lambda words: None)

    names = {
        str(image): [path.name for path in (wheels.ray / "wheels").iterdir()]
        for image, wheels in found.items()
    }
    assert names == {
        "head": ["native-1.0-cp311-cp311-manylinux2014_x86_64.whl"],
        "worker arm": ["native-1.0-cp311-cp311-manylinux2014_aarch64.whl"],
    }


def test_what_is_cached_is_checked_only_where_it_is_asked_for(
    index: Index,  # noqa: F811 - a fixture
    repository: Path,
) -> None:
    images = [(WantedImage("head"), Additions())]
    given = (an_environment(), images, repository, index.cache, lambda words: None)
    folder = fetch_wheels(*given)[WantedImage("head")].ray
    (wheel,) = (folder / "wheels").iterdir()
    wheel.write_bytes(b"changed")

    assert fetch_wheels(*given, check=False)[WantedImage("head")].ray == folder
    with pytest.raises(PipelineError, match=f"{wheel.name} in the cache is not the wheel"):
        fetch_wheels(*given)
