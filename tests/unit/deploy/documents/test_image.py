"""The pipeline's image: what it is built from, by what, and when it is not built."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from common.clients import Clients
from common.errors import PipelineError, Refused
from common.progress import Say, say_nothing
from deploy.documents import image
from deploy.documents.builder import Builder, check_space, find_builder
from deploy.documents.context import Ingredients, build_context
from deploy.documents.image import ensure_image, find_image
from localcloud.world import World

NAME = "ray-documents-dev"
URI = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{NAME}"
FILES = {
    "documents/Containerfile": "FROM scratch\n",
    "documents/serve.py": "serve = 1\n",
    "documents/requirements.lock": "ray==2\n",
    "documents/web/page.js": "ask()\n",
    "documents/__pycache__/serve.py": "compiled",
    "common/errors.py": "errors = 1\n",
    "deploy/other.py": "other = 1\n",
}


def made(folder: Path, **changed: str) -> Ingredients:
    """Write a checkout, a wheelhouse and a model into a folder."""
    files = FILES | {"wheels/requirements.txt": "ray==2 --hash=sha256:1\n"}
    files |= {"wheels/wheels/ray.whl": "a wheel", "model/model.onnx": "a model"}
    for name, text in (files | changed).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Ingredients(folder / "wheels", folder / "model", "debian:12-slim", folder)


def test_the_context_is_what_the_image_needs_and_nothing_else(tmp_path: Path) -> None:
    ingredients = made(tmp_path / "a")

    with build_context(ingredients, tmp_path / "cache") as folder:
        found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
        times = {p.stat().st_mtime for p in (folder / "app").rglob("*")}
        modes = {p.stat().st_mode & 0o777 for p in (folder / "app").rglob("*.py")}

    assert found == {
        *("Containerfile", "requirements.txt", "wheels/ray.whl", "model/model.onnx"),
        *("app/common/errors.py", "app/documents/serve.py", "app/documents/web/page.js"),
    }
    assert times == {0.0}
    assert modes == {0o644}
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_same_content_has_the_same_tag_wherever_it_is(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a"), made(tmp_path / "b")

    assert first.tag == second.tag
    assert len(first.tag) == 24


@pytest.mark.parametrize(
    "changed",
    [
        {"documents/serve.py": "serve = 2\n"},
        {"documents/Containerfile": "FROM other\n"},
        {"common/more.py": ""},
        {"model/model.onnx": "another model"},
        {"wheels/requirements.txt": "ray==3 --hash=sha256:2\n"},
    ],
)
def test_whatever_shapes_the_image_changes_its_tag(tmp_path: Path, changed: dict[str, str]) -> None:
    assert made(tmp_path / "a").tag != made(tmp_path / "b", **changed).tag


def test_what_does_not_shape_it_does_not(tmp_path: Path) -> None:
    other = made(tmp_path / "b", **{"deploy/other.py": "other = 2\n"})

    assert made(tmp_path / "a").tag == other.tag


def test_an_edit_during_a_build_is_not_in_the_image(tmp_path: Path) -> None:
    ingredients = made(tmp_path / "a")
    tag = ingredients.tag
    (tmp_path / "a/documents/serve.py").write_text("edited = 1\n")

    with build_context(ingredients, tmp_path / "cache") as folder:
        assert (folder / "app/documents/serve.py").read_text() == "serve = 1\n"
    assert ingredients.tag == tag


@dataclass
class Pusher:
    """A builder that pushes into moto's ECR, which knows images by their manifests."""

    clients: Clients
    did: list[str] = field(default_factory=list)
    forgets: bool = False

    def build(self, context: Path, base: str, name: str, progress: Say) -> None:
        assert (context / "Containerfile").exists()
        self.did.append(f"build {name} from {base}")

    def log_in(self, registry: str, password: str) -> None:
        assert password
        self.did.append(f"log in to {registry}")

    def push(self, name: str, progress: Say) -> None:
        self.did.append("push")
        kind = "application/vnd.oci.image.manifest.v1+json"
        manifest = {"schemaVersion": 2, "mediaType": kind, "layers": [], "config": {"size": 1}}
        if not self.forgets:
            self.clients("ecr").put_image(
                repositoryName=NAME,
                imageManifest=json.dumps(manifest),
                imageTag=name.rpartition(":")[2],
            )


@pytest.fixture
def clients(world: World) -> Clients:
    """Clients of a world with an empty repository."""
    clients = Clients("us-east-1")
    clients("ecr").create_repository(repositoryName=NAME, imageTagMutability="IMMUTABLE")
    return clients


@pytest.fixture
def pusher(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> Pusher:
    pusher = Pusher(clients)
    monkeypatch.setattr(image, "find_builder", lambda: pusher)
    return pusher


def test_an_image_is_built_once(clients: Clients, pusher: Pusher, tmp_path: Path) -> None:
    ingredients = made(tmp_path / "a")
    assert find_image(clients, URI, ingredients.tag) == ""

    first = ensure_image(clients, URI, ingredients, tmp_path / "cache", say_nothing)

    assert first.startswith(f"{URI}@sha256:")
    registry = URI.partition("/")[0]
    assert pusher.did == [
        f"build {URI}:{ingredients.tag} from debian:12-slim",
        f"log in to {registry}",
        "push",
    ]
    assert ensure_image(clients, URI, ingredients, tmp_path / "cache", say_nothing) == first
    assert len(pusher.did) == 3


def test_a_push_that_left_nothing_is_no_success(
    clients: Clients, pusher: Pusher, tmp_path: Path
) -> None:
    pusher.forgets = True

    with pytest.raises(PipelineError, match="was pushed, but ECR does not have it"):
        ensure_image(clients, URI, made(tmp_path / "a"), tmp_path / "cache", say_nothing)


Tools = Callable[[str, str], Path]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Make a tool of this machine, which is a script; there are no others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def tool(name: str, script: str) -> Path:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
        return folder / name

    return tool


def test_without_a_tool_it_is_refused_and_says_what_to_do(tools: Tools) -> None:
    tools("docker", 'echo "Cannot connect to the Docker daemon" >&2; exit 1')

    with pytest.raises(Refused) as refusal:
        find_builder()

    assert str(refusal.value) == (
        "nothing here builds container images:\n"
        "  buildah: not installed\n"
        "  podman: not installed\n"
        "  docker: Cannot connect to the Docker daemon\n"
        "  → install buildah, podman or docker; or set documents.image to an image that exists"
    )


def test_a_tool_that_does_not_work_is_passed_over(tools: Tools) -> None:
    tools("buildah", "exit 125")
    tools("docker", "echo 27.0")

    assert find_builder().tool == "docker"


def test_the_password_goes_through_standard_input(tools: Tools, tmp_path: Path) -> None:
    tools("buildah", f'echo "$@" > {tmp_path}/said; read -r line; echo "$line" >> {tmp_path}/said')

    Builder("buildah").log_in("registry.example.com", "the-password\n")

    said = (tmp_path / "said").read_text().splitlines()
    assert said == ["login --username=AWS --password-stdin registry.example.com", "the-password"]


def test_a_build_that_fails_says_what_the_tool_said_last(tools: Tools, tmp_path: Path) -> None:
    tools("podman", 'echo "STEP 3/4: RUN pip"; echo "no wheel for ray" >&2; exit 2')
    seen: list[str] = []

    with pytest.raises(PipelineError) as failure:
        Builder("podman").build(tmp_path, "debian:12-slim", f"{URI}:1", seen.append)

    assert failure.value.message == (
        "building the image: podman exited with 2:\n  STEP 3/4: RUN pip\n  no wheel for ray"
    )
    assert seen == ["STEP 3/4: RUN pip", "no wheel for ray"]


def test_a_folder_with_commas_and_quotes_in_its_name_is_built_from(
    tools: Tools, tmp_path: Path
) -> None:
    """Buildah reads what follows --file as comma-separated values, in quotes or not."""
    context = tmp_path / 'a cache, of "mine"'
    context.mkdir()
    tools("buildah", f'pwd > {tmp_path}/said; echo "$@" >> {tmp_path}/said')

    Builder("buildah").build(context, "debian:12-slim", f"{URI}:1", say_nothing)

    folder, said = (tmp_path / "said").read_text().splitlines()
    assert folder == str(context)
    assert (
        said
        == f"build --layers --build-arg=BASE=debian:12-slim --tag={URI}:1 --file=Containerfile ."
    )


def test_a_full_disk_is_said_before_and_after(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools("buildah", 'echo "write /layer: No space left on device"; exit 1')
    with pytest.raises(PipelineError) as failure:
        Builder("buildah").push(f"{URI}:1", say_nothing)
    assert failure.value.hint.startswith("free space on this machine")

    usage = shutil.disk_usage(tmp_path)._replace(free=2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(Refused, match=r"has 1\.0 GiB left; building the image takes 4 GiB"):
        check_space(tmp_path)
