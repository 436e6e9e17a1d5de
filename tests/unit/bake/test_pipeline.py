"""Images go their own ways: one that fails is named, and the others are finished."""

import os
import signal
import subprocess
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from bake import pipeline
from bake.additions import Additions
from bake.attestations import lacking
from bake.cancellation import Cancellation, Cancelled
from bake.catalog import images
from bake.context import BakeContext
from bake.image_tests import ImageTestResult
from bake.pipeline import UntestedWork, Work, commit, interruptible
from bake.plan import BakePlan
from bake.preparation import Preparation
from bake.spec import ImageSpec
from bake.turns import Turns
from bake.wanted import WantedImage
from common.clients import Clients
from common.errors import PipelineError
from common.instance_types import TypeFacts
from common.progress import Say
from common.waiting import Clock
from tests.unit.bake.conftest import register
from tests.unit.bake.inventories import inventory_json
from tests.unit.bake.test_attestations import make_key
from tests.unit.bake.test_build import a_build_spec
from tests.unit.deploy.builders import an_environment

HEAD, WORKER, GPU = WantedImage("head"), WantedImage("worker"), WantedImage("worker", "gpu")
KIND = TypeFacts("m6i.large", 2, 0, ("x86_64",))
REPORT = '{"debian": {}, "python": {}, "python_version": "3.11.2", "gpu": {"words": "%s"}}'
TESTS = '<testsuite timestamp="2026-11-22T12:05:00"><testcase name="test_ray"/></testsuite>'


class Lines:
    """Keeps how each line ended."""

    def __init__(self) -> None:
        self.ended: dict[str, tuple[str, bool]] = {}

    def say(self, line: str, words: str) -> None:
        pass

    def end(self, line: str, outcome: str, *, failed: bool = False) -> None:
        self.ended[line] = (outcome, failed)


class Bench:
    """Three images to bake in the test's simulated AWS; Packer and pytest are the test's."""

    def __init__(self, clients: Clients, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clients, self.lines = clients, Lines()
        self.results: dict[WantedImage, ImageTestResult | PipelineError] = {}
        self.build_failures: dict[WantedImage, PipelineError] = {}
        self.ids = dict.fromkeys((HEAD, WORKER, GPU), "")
        self.specs = {image: a_build_spec(folder / image.slug, image) for image in self.ids}
        for spec in self.specs.values():
            spec.folder.mkdir()
            (spec.folder / "software.json").write_text(REPORT % "skipped: no GPU")
            (spec.folder / "inventory.json").write_text(inventory_json())
            (spec.folder / "image-tests.xml").write_text(TESTS)
        clients("s3").create_bucket(Bucket="raykiln-dev-bakes-123456789012-us-east-1")
        make_key(clients, "dev")
        self.context = BakeContext(clients, an_environment(), folder, folder, self.lines)
        monkeypatch.setattr(pipeline, "build_image", self.build)
        monkeypatch.setattr(pipeline, "run_image_tests", self.test)

    def build(self, clients: Clients, spec: Any, *others: Any) -> str:
        if spec.image in self.build_failures:
            raise self.build_failures[spec.image]
        self.ids[spec.image] = register(
            clients, spec.image.role, verified=False, digest=spec.digest
        )
        return self.ids[spec.image]

    def test(self, context: BakeContext, spec: Any, *others: Any) -> ImageTestResult:
        result = self.results.get(spec.image, ImageTestResult(5, ()))
        if isinstance(result, PipelineError):
            raise result
        return result

    def work(self, untested: dict[WantedImage, Any] | None = None, kind: type[Work] = Work) -> Work:
        turns = Turns(dict.fromkeys(self.ids, KIND), {}, most=1)
        plan = BakePlan({}, {}, {}, untested or {}, {})
        builds = {i: spec for i, spec in self.specs.items() if i not in (untested or {})}
        tests: dict[WantedImage, ImageSpec] = {image: self.specs[image] for image in untested or {}}
        return kind(self.context, plan, Preparation(builds, tests, self.context.home), turns)

    def verified(self) -> list[str]:
        return sorted(image.ami_id for image in images(self.clients) if image.verified)


@pytest.fixture
def bench(clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(clients, tmp_path, monkeypatch)


def test_every_image_is_built_tested_and_verified_with_a_line_of_its_own(bench: Bench) -> None:
    found = bench.work().do_all((HEAD, WORKER, GPU))

    assert found == bench.ids
    assert bench.verified() == sorted(bench.ids.values())
    found_there = bench.clients("ec2").describe_images(ImageIds=list(found.values()))["Images"]
    assert {one["Description"] for one in found_there} == {"Ray 2.60.0 head", "Ray 2.60.0 worker"}
    environment = an_environment(images={"require": ["tests", "sbom", "provenance"]})
    assert [
        one for i in images(bench.clients) for one in lacking(bench.clients, environment, i)
    ] == []
    assert bench.lines.ended["worker gpu"] == (
        f"{bench.ids[GPU]}, 5 tests passed; GPU: skipped: no GPU",
        False,
    )


def test_one_that_fails_is_named_and_the_others_are_verified(bench: Bench) -> None:
    bench.build_failures[HEAD] = PipelineError("10-user.sh failed\n    why", hint="read the log")
    bench.results[GPU] = ImageTestResult(4, ("images.gpu.tests: test_it: assert 1 == 2",))

    with pytest.raises(PipelineError) as failed:
        bench.work().do_all((HEAD, WORKER, GPU))

    assert "  head: 10-user.sh failed\n    why\n" in failed.value.message
    assert f"  worker gpu: image tests failed; {bench.ids[GPU]} is kept" in failed.value.message
    assert "    images.gpu.tests: test_it: assert 1 == 2" in failed.value.message
    assert failed.value.hint.startswith("read the log; fix the cause")
    assert bench.verified() == [bench.ids[WORKER]]
    assert {line: failed for line, (_, failed) in bench.lines.ended.items()} == {
        "head": True,
        "worker": False,
        "worker gpu": True,
    }


def test_an_image_that_fails_its_new_tests_is_no_longer_verified(bench: Bench) -> None:
    register(bench.clients, "worker")
    (existing,) = images(bench.clients)
    bench.results[WORKER] = ImageTestResult(0, ("images.gpu.tests: test_it: no",))

    with pytest.raises(PipelineError, match="image tests failed"):
        bench.work({WORKER: existing}).do_all((WORKER,))

    assert bench.verified() == []


def test_an_image_that_passes_its_new_tests_has_them_in_its_tags(bench: Bench) -> None:
    register(bench.clients, "worker")
    (existing,) = images(bench.clients)
    tested = Additions({"tests/test_it.py": b"def test_it(host): ..."})
    object.__setattr__(bench.specs[WORKER], "additions", tested)

    assert bench.work({WORKER: existing}).do_all((WORKER,)) == {WORKER: existing.ami_id}

    assert [image.tests for image in images(bench.clients)] == [tested.tests_digest]


def test_an_image_that_is_only_built_is_neither_tested_nor_verified(bench: Bench) -> None:
    bench.results[HEAD] = PipelineError("it was tested")

    found = bench.work(kind=UntestedWork).do_all((HEAD, WORKER))

    assert found == {image: bench.ids[image] for image in (HEAD, WORKER)}
    assert bench.verified() == []
    assert bench.lines.ended["head"] == (f"{bench.ids[HEAD]}, not tested", False)
    stored = bench.clients("s3").list_objects_v2(Bucket="raykiln-dev-bakes-123456789012-us-east-1")
    assert stored["KeyCount"] == 0


def test_a_bug_in_one_cancels_the_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = Event()

    def build(
        clients: Clients, spec: Any, clock: Clock, say: Say, cancellation: Cancellation
    ) -> str:
        if spec.image == HEAD:
            raise ZeroDivisionError
        with cancellation.calling(ended.set):
            assert ended.wait(10)
        raise Cancelled("cancelled")

    monkeypatch.setattr(pipeline, "build_image", build)
    work = bench.work()
    work._turns = Turns(dict.fromkeys(bench.ids, KIND), {})

    with pytest.raises(ZeroDivisionError):
        work.do_all((HEAD, WORKER))

    assert ended.is_set()


def test_a_failed_bake_names_each_image_in_order_and_each_hint_once(bench: Bench) -> None:
    for image in (WORKER, HEAD):
        bench.build_failures[image] = PipelineError("why", hint="read the log")
    bench.build_failures[GPU] = PipelineError("first\n    second")

    with pytest.raises(PipelineError) as failed:
        bench.work().do_all((WORKER, GPU, HEAD))

    assert failed.value.message == (
        "the bake failed\n  head: why\n  worker: why\n  worker gpu: first\n    second"
    )
    assert failed.value.hint == "read the log"
    assert bench.lines.ended["worker gpu"] == ("first", True)


def test_an_image_that_fails_its_tests_is_kept_and_says_where_the_reports_are(
    bench: Bench,
) -> None:
    bench.results[HEAD] = ImageTestResult(3, ("test_one: no", "test_two: no"))

    with pytest.raises(PipelineError) as failed:
        bench.work().do_all((HEAD,))

    assert failed.value.message == (
        f"the bake failed\n  head: image tests failed; {bench.ids[HEAD]} is kept, unverified"
        "\n    test_one: no\n    test_two: no"
    )
    assert failed.value.hint == (
        f"fix the cause and bake again; reports: {bench.specs[HEAD].folder}"
    )


def test_an_image_by_an_old_packer_gets_its_attributes(bench: Bench) -> None:
    bench.work().do_all((HEAD,))

    ids = [bench.ids[HEAD]]
    (made,) = bench.clients("ec2").describe_images(ImageIds=ids)["Images"]
    assert made["ImdsSupport"] == "v2.0"
    now = bench.context.now()
    assert made["DeprecationTime"].startswith(f"{now.replace(year=now.year + 1):%Y-%m}")


def test_what_was_skipped_is_said_and_why(bench: Bench) -> None:
    bench.results[HEAD] = ImageTestResult(3, (), ("test_gpu: no GPU",))
    bench.results[WORKER] = ImageTestResult(3, ())
    for image in (HEAD, WORKER):
        (bench.specs[image].folder / "software.json").write_text(REPORT % "")

    bench.work().do_all((HEAD, WORKER))

    assert bench.lines.ended["head"] == (
        f"{bench.ids[HEAD]}, 3 tests passed; test_gpu: no GPU",
        False,
    )
    assert bench.lines.ended["worker"] == (f"{bench.ids[WORKER]}, 3 tests passed", False)


def test_a_commit_has_twelve_digits_and_says_whether_there_are_changes(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        person = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", "-C", str(tmp_path), *person, *words], check=True)

    git("init", "--quiet")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "--quiet", "-m", "one")
    clean = commit(tmp_path)
    (tmp_path / "file").write_text("two")

    assert len(clean) == 12
    assert commit(tmp_path) == f"{clean}-dirty"


def test_a_signal_ends_a_bake_as_ctrl_c_does_and_only_during_the_bake() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), signal.SIGTERM)

    assert signal.getsignal(signal.SIGTERM) == before
