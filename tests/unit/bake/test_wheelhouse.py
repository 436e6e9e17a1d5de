"""A wheelhouse is complete or absent, fetched once, and has only wheels from the lock.

pip is real; the package index is a folder.
"""

import hashlib
import resource
import socket
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from bake import wheelhouse as module
from bake.ray_lock import Target, pins_for
from bake.wheelhouse import PACKAGE_LINE, check_wheels, fetch_wheelhouse
from common.errors import PipelineError

TARGET = Target("3.11", "x86_64")


@dataclass
class Index:
    """A folder of wheels that pip uses as the package index, and a lock that pins them."""

    folder: Path
    lock: Path
    cache: Path

    def publish(
        self, name: str, tag: str = "py3-none-any", content: str = "", needs: str = ""
    ) -> Path:
        """Add a wheel of version 1.0."""
        wheel = self.folder / f"{name}-1.0-{tag}.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            info = f"{name}-1.0.dist-info"
            archive.writestr(f"{name}.py", content)
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
            requires = f"Requires-Dist: {needs}\n" if needs else ""
            archive.writestr(f"{info}/METADATA", metadata + requires)
            archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
            archive.writestr(f"{info}/RECORD", "")
        return wheel

    def pin(self, wheel: Path) -> None:
        """Add the wheel to the lock, with its current hash."""
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        line = f"{wheel.name.split('-')[0]}==1.0 --hash=sha256:{digest}\n"
        self.lock.write_text(self.lock.read_text() + line)

    def fetch(self) -> Path:
        pins = pins_for(self.lock.read_text(), TARGET)
        return fetch_wheelhouse(pins, TARGET, self.cache, lambda words: None)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    made = Index(tmp_path / "index", tmp_path / "ray.lock", tmp_path / "a cache")
    made.folder.mkdir()
    made.lock.touch()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(made.folder))
    return made


def fetched(index: Index) -> list[str]:
    """Return every folder in the cache that could be mistaken for a wheelhouse."""
    return [path.name for path in index.cache.glob("wheelhouse/*")]


def test_it_holds_the_wheels_and_their_requirements(index: Index) -> None:
    wheel = index.publish("one")
    index.pin(wheel)

    wheelhouse = index.fetch()

    assert [path.name for path in (wheelhouse / "wheels").iterdir()] == [wheel.name]
    assert (wheelhouse / "requirements.txt").read_text().startswith("one==1.0 --hash=sha256:")


def test_a_cached_wheelhouse_is_not_fetched_again(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.pin(index.publish("one"))
    first = index.fetch()
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")

    assert index.fetch() == first


def test_a_wheel_with_another_hash_is_refused_and_nothing_is_kept(index: Index) -> None:
    index.pin(index.publish("one", content="as locked"))
    index.publish("one", content="as served")

    with pytest.raises(PipelineError, match="its hash differs") as caught:
        index.fetch()

    assert "one" in caught.value.message
    assert "do not use it" in caught.value.hint
    assert fetched(index) == []


def test_an_index_that_does_not_answer_is_no_missing_wheel(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.pin(index.publish("one"))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    for name, value in {"INDEX_URL": address, "CONFIG_FILE": "/dev/null", "RETRIES": "1"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_FIND_LINKS", "")

    with pytest.raises(
        PipelineError, match=r"ray\.lock could not be .*Connection refused"
    ) as caught:
        index.fetch()

    assert caught.value.hint == "check the network and pip's configuration; the cache is unchanged"
    assert fetched(index) == []


@pytest.mark.parametrize("place", ["file", "file/cache"])
def test_a_cache_that_is_no_folder_is_named(index: Index, place: str) -> None:
    index.pin(index.publish("one"))
    index.cache = index.folder / place
    (index.folder / "file").touch()

    with pytest.raises(PipelineError) as caught:
        index.fetch()

    assert caught.value.message == (
        f"the cache cannot be used: {index.cache}/wheelhouse: Not a directory"
    )
    assert "RAYKILN_CACHE" in caught.value.hint


def test_a_cache_without_room_is_said_to_be_full(index: Index) -> None:
    index.pin(index.publish("one", content="x" * 200_000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(PipelineError, match="File too large") as caught:
            index.fetch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert "RAYKILN_CACHE" in caught.value.hint
    assert fetched(index) == []


def test_a_missing_wheel_for_the_images_python_is_named(index: Index) -> None:
    index.pin(index.publish("one", tag="cp39-cp39-manylinux_2_17_x86_64"))

    with pytest.raises(PipelineError, match=r"no wheel for Python 3\.11 on x86_64.*one"):
        index.fetch()

    assert fetched(index) == []


def test_a_wheel_for_an_older_glibc_is_accepted_and_one_for_a_newer_is_not(index: Index) -> None:
    index.pin(index.publish("old", tag="cp311-cp311-manylinux_2_28_x86_64"))
    index.fetch()
    index.pin(index.publish("young", tag="cp311-cp311-manylinux_2_39_x86_64"))

    with pytest.raises(PipelineError, match="young"):
        index.fetch()


def test_a_wheel_that_was_changed_in_the_cache_is_refused(index: Index) -> None:
    index.pin(index.publish("one"))
    wheelhouse = index.fetch()
    locked = pins_for(index.lock.read_text(), TARGET)
    check_wheels(wheelhouse, locked)
    (wheel,) = (wheelhouse / "wheels").iterdir()
    wheel.write_bytes(wheel.read_bytes() + b"\0")

    with pytest.raises(PipelineError, match="its hash differs") as caught:
        check_wheels(wheelhouse, locked)

    assert str(wheelhouse) in caught.value.hint


@pytest.mark.parametrize(
    "line",
    [
        "Collecting ray-lib==1.0 (from -r /a b/r.txt (line 1))",
        "Processing /an index/ray-lib-1.0-py3-none-any.whl (from -r /a b/r.txt (line 1))",
    ],
)
def test_the_package_of_a_line_of_pip_s_is_found_whatever_the_folder_is_called(line: str) -> None:
    found = PACKAGE_LINE.match(line)

    assert found
    assert found[1] == "ray-lib"


RAYS, OTHERS = "ray.lock", "apps/requirements.lock"


@pytest.mark.parametrize(
    ("lines", "lock", "message", "hint"),
    [
        (
            [
                "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
                "    one==1.0 from https://example.com/one.whl:",
            ],
            RAYS,
            "a wheel is not the one that ray.lock names: its hash differs: "
            "one==1.0 from https://example.com/one.whl:",
            "do not use it; find out who serves it. If it was published again: invoke lock",
        ),
        (
            ["ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"],
            OTHERS,
            f"a wheel is not the one that {OTHERS} names: its hash differs: "
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES",
            f"do not use it; find out who serves it. If it was published again: lock {OTHERS} anew",
        ),
        (
            ["Looking", "ERROR: Ignored", "ERROR: No matching distribution found for one==1.0"],
            RAYS,
            "ray.lock: no wheel for Python 3.11 on x86_64: "
            "No matching distribution found for one==1.0",
            "set the image's python to what its base has, or pin another version: invoke lock",
        ),
        (
            ["Looking", "ERROR: no route", "and more"],
            RAYS,
            "the wheels of ray.lock could not be fetched: no route",
            "check the network and pip's configuration; the cache is unchanged",
        ),
        (
            [
                "Collecting one==1.0",
                "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError("
                "'<pip._vendor.urllib3.connection.HTTPConnection object at 0x7fa004551890>: Failed "
                "to establish a new connection: [Errno 111] Connection refused')': /simple/two/",
                "ERROR: No matching distribution found for two==1.0",
            ],
            RAYS,
            "the wheels of ray.lock could not be fetched: NewConnectionError('Failed to establish "
            "a new connection: [Errno 111] Connection refused')",
            "check the network and pip's configuration; the cache is unchanged",
        ),
        (
            [
                "WARNING: Retrying (Retry(total=4)) after connection broken by 'ProxyError()': /",
                "Collecting one==1.0",
                "ERROR: No matching distribution found for two==1.0",
            ],
            RAYS,
            "ray.lock: no wheel for Python 3.11 on x86_64: "
            "No matching distribution found for two==1.0",
            "set the image's python to what its base has, or pin another version: invoke lock",
        ),
        (
            ["ERROR: Exception:", "Traceback", "OSError: [Errno 28] No space left on device: 'a'"],
            RAYS,
            "the wheels of ray.lock could not be fetched: "
            "OSError: [Errno 28] No space left on device: 'a'",
            "make room there, or set RAYKILN_CACHE to a folder that can be written; "
            "the cache is unchanged",
        ),
        (
            ["Looking", "Killed"],
            RAYS,
            "the wheels of ray.lock could not be fetched: Killed",
            "check the network and pip's configuration; the cache is unchanged",
        ),
        (
            [],
            RAYS,
            "the wheels of ray.lock could not be fetched: pip printed nothing",
            "check the network and pip's configuration; the cache is unchanged",
        ),
    ],
)
def test_what_pip_could_not_do_is_said_with_what_to_do(
    lines: list[str], lock: str, message: str, hint: str
) -> None:
    failure = module._failure(lines, TARGET, lock)

    assert (failure.message, failure.hint) == (message, hint)


def test_pip_is_asked_for_wheels_of_the_image_alone_by_their_hashes() -> None:
    target = Target("3.12", "arm64")

    command = module._pip_download(Path("requirements.txt"), Path("into"), target)

    platforms = [f"manylinux_2_{minor}_aarch64" for minor in range(35, 16, -1)]
    assert command == [
        *(sys.executable, "-m", "pip", "download", "--no-input", "--disable-pip-version-check"),
        *("--no-deps", "--require-hashes", "--only-binary=:all:", "--progress-bar=off"),
        *("--implementation=cp", "--python-version=3.12"),
        *(f"--platform={one}" for one in (*platforms, "manylinux2014_aarch64", "linux_aarch64")),
        *("--dest", "into", "--requirement", "requirements.txt"),
    ]


def test_each_wheel_is_said_with_how_many_there_are(index: Index) -> None:
    for name in ("one", "two"):
        index.pin(index.publish(name))
    said: list[str] = []

    pins = pins_for(index.lock.read_text(), TARGET)
    found = fetch_wheelhouse(pins, TARGET, index.cache, said.append)

    assert said == ["1 of 2 wheels: one", "2 of 2 wheels: two"]
    assert found.name.startswith("cp3.11-x86_64-")
    assert found.stat().st_mode & 0o777 == 0o755
