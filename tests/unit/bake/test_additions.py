"""What a person adds is read once, checked before a bake, and part of the image's digest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bake.additions import Additions, read_additions
from bake.files import LOCK
from bake.wanted import WantedImage
from common.checkout import REPOSITORY
from common.environment import Environment
from common.errors import Refused
from tests.unit.deploy.builders import an_environment

GPU = WantedImage("worker", "gpu")
HASH = "--hash=sha256:" + "a" * 64
UNIT = "[Service]\nExecStart=/opt/apps/serve\n[Install]\nWantedBy=multi-user.target\n"


def write(repository: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(content)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with Ray's lock, and all that an image may have."""
    write(
        tmp_path,
        {
            str(LOCK): (REPOSITORY / LOCK).read_text(),
            "apps/requirements.lock": f"iniconfig==2.3.1 {HASH}\n",
            "apps/provisioners/10-first.sh": "#!/bin/sh\n",
            "apps/provisioners/20-second.py": "#!/usr/bin/python3\n",
            "apps/provisioners/files/model.txt": "words",
            "apps/units/exporter.service": UNIT,
            "apps/tests/test_it.py": "def test_it(host): ...\n",
        },
    )
    return tmp_path


def environment(**image: Any) -> Environment:
    worker = {"instance_types": ["m6i.large"], "min": 0, "max": 3, "image": "gpu"}
    return an_environment(images={"gpu": image}, workers={"worker": worker})


EVERYTHING = {
    "requirements": "apps/requirements.lock",
    "packages": ["libgl1"],
    "provisioners": "apps/provisioners",
    "units": "apps/units",
    "tests": "apps/tests",
    "env": {"HF_HOME": "/data/hf"},
}


def added(repository: Path, **changes: Any) -> Additions:
    return read_additions(environment(**EVERYTHING | changes), [GPU], repository)[GPU]


def mistakes(repository: Path, **image: Any) -> list[str]:
    """Return the refusal's lines, without what is the same in all of them."""
    with pytest.raises(Refused) as refused:
        read_additions(environment(**image), [GPU], repository)
    lines = refused.value.message.splitlines()[1:]
    assert all(line.startswith("  dev.toml: images.gpu") for line in lines), lines
    return [line.removeprefix("  dev.toml: images.gpu.") for line in lines]


def test_everything_is_read(repository: Path, tmp_path: Path) -> None:
    found = added(repository)

    assert found.scripts == ("10-first.sh", "20-second.py")
    folder = found.write(tmp_path / "into")
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == [
        "image.env",
        "packages.txt",
        "provisioners/10-first.sh",
        "provisioners/20-second.py",
        "provisioners/files/model.txt",
        "requirements.lock",
        "tests/test_it.py",
        "units/exporter.service",
    ]
    assert (folder / "image.env").read_text() == 'HF_HOME="/data/hf"\n'


def test_an_image_without_additions_has_empty_folders_and_no_tests(
    repository: Path, tmp_path: Path
) -> None:
    found = read_additions(environment(), [GPU], repository)[GPU]

    folder = found.write(tmp_path / "into")

    assert (found.tests_digest, found.scripts) == ("", ())
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        "provisioners",
        "tests",
        "units",
    ]


CHANGES: dict[str, Callable[[Path], object]] = {
    "a script": lambda r: write(r, {"apps/provisioners/10-first.sh": "#!/bin/sh\ntrue\n"}),
    "a script's number": lambda r: (r / "apps/provisioners/10-first.sh").rename(
        r / "apps/provisioners/30-first.sh"
    ),
    "a file of the scripts": lambda r: write(r, {"apps/provisioners/files/model.txt": "other"}),
    "a unit": lambda r: write(r, {"apps/units/exporter.service": UNIT + "# more\n"}),
    "the lock": lambda r: write(r, {"apps/requirements.lock": f"iniconfig==2.3.0 {HASH}\n"}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_every_file_that_shapes_the_image_changes_its_digest(repository: Path, what: str) -> None:
    before = added(repository)
    CHANGES[what](repository)

    assert added(repository).digest != before.digest
    assert added(repository).tests_digest == before.tests_digest


@pytest.mark.parametrize(
    "changes", [{"packages": ["libgl1", "ffmpeg"]}, {"env": {"HF_HOME": "/other"}}, {"env": {}}]
)
def test_packages_and_environment_change_the_digest(
    repository: Path, changes: dict[str, Any]
) -> None:
    assert added(repository, **changes).digest != added(repository).digest


def test_tests_have_a_digest_of_their_own(repository: Path) -> None:
    before = added(repository)
    write(repository, {"apps/tests/test_it.py": "def test_other(host): ...\n"})

    assert added(repository).digest == before.digest
    assert added(repository).tests_digest != before.tests_digest


@pytest.mark.parametrize(
    ("files", "image", "words"),
    [
        ({}, {"units": "apps/none"}, "units: apps/none is no folder of the repository"),
        (
            {},
            {"requirements": "apps/none.lock"},
            "requirements: apps/none.lock is no file of the repository",
        ),
        (
            {"empty/__pycache__/a.pyc": ""},
            {"provisioners": "empty"},
            "provisioners: empty is empty",
        ),
        (
            {"p/setup.sh": "#!/bin/sh\n"},
            {"provisioners": "p"},
            "provisioners: p: setup.sh has no number that says when it runs, such as 10-setup.sh",
        ),
        (
            {"p/10-a.sh": "true\n"},
            {"provisioners": "p"},
            "provisioners: p: 10-a.sh does not begin with #!, which says what runs it",
        ),
        (
            {"p/files/a": ""},
            {"provisioners": "p"},
            "provisioners: p: it has folders, but no script",
        ),
        ({"t/conftest.py": ""}, {"tests": "t"}, "tests: t: it has no test_….py"),
        ({"u/a b.service": UNIT}, {"units": "u"}, "units: u: a b.service is no unit's name, such"),
        ({"u/a@.service": UNIT}, {"units": "u"}, "units: u: a@.service is a template; name an"),
        (
            {"u/ray-head.service": UNIT},
            {"units": "u"},
            "units: u: ray-head.service: names that begin with ray belong to Raykiln's units",
        ),
        (
            {"u/a.service.d/b.conf": ""},
            {"units": "u"},
            "units: u: a.service.d/b.conf: a folder; units are files",
        ),
        (
            {"l": "iniconfig==2.3.1\n"},
            {"requirements": "l"},
            "requirements: l: iniconfig==2.3.1 has no --hash=sha256:…",
        ),
        (
            {"l": f"iniconfig>=2 {HASH}\n"},
            {"requirements": "l"},
            "requirements: l: iniconfig>=2: one version is needed, such as iniconfig==1.0",
        ),
        (
            {"l": f"--index-url https://example.invalid\niniconfig==1.0 {HASH}\n"},
            {"requirements": "l"},
            "requirements: l: --index-url https://example.invalid: options belong to pip's",
        ),
        ({"l": "-e .\n"}, {"requirements": "l"}, "requirements: l: -e .: options belong to"),
        ({"l": "what is this\n"}, {"requirements": "l"}, "requirements: l: what is this is no"),
        ({"l": "# nothing\n"}, {"requirements": "l"}, "requirements: l: it holds no package"),
        (
            {"l": f"protobuf==3.20.0 {HASH}\n"},
            {"requirements": "l"},
            "requirements: l: protobuf==3.20.0, but Ray's own lock has 7.36.2",
        ),
        (
            {"l": f"a==1.0 {HASH}\na==1.1 {HASH}\n"},
            {"requirements": "l"},
            "requirements: l: a is locked more than once for this Python",
        ),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(
    repository: Path, files: dict[str, str], image: dict[str, Any], words: str
) -> None:
    write(repository, files)

    (found,) = mistakes(repository, **image)

    assert found.startswith(words)


def test_all_mistakes_are_named_at_once(repository: Path) -> None:
    assert len(mistakes(repository, units="none", tests="none", requirements="none")) == 3


def test_a_file_that_cannot_be_read_is_named(repository: Path) -> None:
    (found,) = mistakes(repository, requirements="a" * 300)

    assert found.endswith("a: File name too long")


def test_a_lock_that_is_not_text_is_named(repository: Path) -> None:
    (repository / "l").write_bytes(b"\xff\xfe")

    assert mistakes(repository, requirements="l") == ["requirements: l is not UTF-8"]


def test_a_folder_that_is_too_large_is_named(repository: Path) -> None:
    with (repository / "apps/provisioners/files/large").open("wb") as file:
        file.truncate(64 * 1024**2 + 1)

    assert mistakes(repository, provisioners="apps/provisioners") == [
        "provisioners: apps/provisioners holds more than 64 MiB: keep large files in S3"
    ]


def test_what_systemd_says_of_a_unit_is_named_with_its_line(repository: Path) -> None:
    text = UNIT.replace("ExecStart", "ExecStrat")
    write(repository, {"u/exporter.service": text, "u/t.timer": "[Timer]\nOnCalendar=sometimes\n"})

    found = "\n".join(mistakes(repository, units="u"))

    assert "units: u: exporter.service, line 2: Unknown key" in found
    assert "exporter.service: Service has no ExecStart=" in found
    assert "units: u: t.timer, line 2: Failed to parse calendar specification" in found


def test_programs_and_units_that_only_the_image_has_are_no_mistake(repository: Path) -> None:
    text = f"[Unit]\nRequires=ray-identity.service\n{UNIT}"
    write(repository, {"u/exporter.service": text})

    read_additions(environment(units="u"), [GPU], repository)
