"""Two bakes are compared, and what they made goes again unless it differs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bake.catalog import image_by_id, images
from bake.context import BakeContext
from bake.image_tree import TreeOf
from bake.tree import Exceptions, Tree
from bake.wanted import WantedImage
from common.clients import Clients
from common.errors import PipelineError, Refused
from deploy.operate import image_compare
from deploy.operate.image_compare import SHOWN, compare_bakes, compare_images, unused
from tests.unit.bake.conftest import clients, register  # noqa: F401 - a fixture
from tests.unit.deploy.builders import an_environment
from tests.unit.localcloud.conftest import clock, driver, world  # noqa: F401 - fixtures

HEAD, WORKER = WantedImage("head"), WantedImage("worker")
NONE = Exceptions({}, {})


def a_tree(**contents: str) -> Tree:
    return {f"/{name}": ("file", "0644", 0, 0, {}, content) for name, content in contents.items()}


class Bench:
    """Bakes in the test's simulated AWS; what an image's tree is, the test says."""

    def __init__(self, clients: Clients, folder: Path, patch: pytest.MonkeyPatch) -> None:  # noqa: F811
        self.clients = clients
        self.context = BakeContext(clients, an_environment(), folder, folder)
        self.tree: Callable[[TreeOf, int], Tree] = lambda what, count: a_tree(a="1")
        self.taken: list[str] = []
        patch.setattr(image_compare, "plan_bake", lambda *others: None)
        patch.setattr(image_compare, "build_untested", self.build)
        patch.setattr(image_compare, "take_tree", self.take)

    def build(self, context: BakeContext, plan: Any) -> dict[WantedImage, str]:
        return {
            image: register(self.clients, image.role, verified=False) for image in (HEAD, WORKER)
        }

    def take(self, context: BakeContext, what: TreeOf, progress: Any) -> Tree:
        assert what.file.parent.is_dir()
        self.taken.append(what.ami_id)
        return self.tree(what, len(self.taken))

    def left(self) -> list[str]:
        return sorted(image.role for image in images(self.clients))


@pytest.fixture
def bench(clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:  # noqa: F811
    return Bench(clients, tmp_path, monkeypatch)


def test_two_bakes_that_are_the_same_leave_no_image(bench: Bench) -> None:
    head, worker = compare_bakes(bench.context, (HEAD, WORKER), NONE)

    assert (head.first, worker.first) == ("", "")
    assert len(set(bench.taken)) == 4
    assert bench.left() == []
    assert worker.words[2] == "worker: 0 paths differ, beside 0 that may"


def test_images_that_differ_are_kept_and_named(bench: Bench) -> None:
    bench.tree = lambda what, count: a_tree(a=str(count if what.image == WORKER else 1))

    head, worker = compare_bakes(bench.context, (HEAD, WORKER), NONE)

    assert (head.first, worker.first) == ("", "/a: content 3 → 4")
    assert bench.left() == ["worker", "worker"]
    assert {image.ami_id for image in images(bench.clients)} == set(worker.ami_ids)


def test_an_instance_that_cannot_be_asked_leaves_no_image(bench: Bench) -> None:
    def fail(what: TreeOf, count: int) -> Tree:
        raise PipelineError("no SSH")

    bench.tree = fail

    with pytest.raises(PipelineError, match="no SSH"):
        compare_bakes(bench.context, (HEAD, WORKER), NONE)

    assert bench.left() == []


def test_two_images_of_a_digest_are_compared_and_stay(bench: Bench) -> None:
    ids = [register(bench.clients, "head", digest="d" * 64) for _ in range(2)]
    old, new = (image_by_id(bench.clients, ami_id) for ami_id in ids)

    found = compare_images(bench.context, old, new, NONE)

    assert (found.first, found.ami_ids, bench.taken) == ("", tuple(ids), ids)
    assert bench.left() == ["head", "head"]


def test_images_of_two_digests_are_refused(bench: Bench) -> None:
    old, new = (image_by_id(bench.clients, register(bench.clients, "head")) for _ in range(2))

    with pytest.raises(Refused, match="different digests"):
        compare_images(bench.context, old, new, NONE)

    assert bench.taken == []


def test_of_many_paths_the_first_are_shown(bench: Bench) -> None:
    names = [f"file{number:03}" for number in range(SHOWN + 5)]
    bench.tree = lambda what, count: a_tree(**dict.fromkeys(names, str(count)))

    head, _ = compare_bakes(bench.context, (HEAD, WORKER), NONE)

    assert head.words[3] == "  /file000: content 1 → 2"
    assert head.words[-1].startswith("  and 5 more: compare the files in ")
    assert len(head.words) == SHOWN + 4


def test_an_exception_is_needed_if_any_image_needs_it(bench: Bench) -> None:
    exceptions = Exceptions({"/head": "", "/worker": "", "/none": ""}, {})
    bench.tree = lambda what, count: a_tree(**{what.image.role: str(count)})

    found = compare_bakes(bench.context, (HEAD, WORKER), exceptions)

    assert [one.first for one in found] == ["", ""]
    assert unused(found, exceptions) == ("/none",)
