"""What the build instance takes for a part of the image, and what not."""

import hashlib
from pathlib import Path
from types import ModuleType

import pytest

from bake.files import PROVISIONERS
from common.checkout import REPOSITORY
from tests.unit.bake.test_gpu import provisioner


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY / PROVISIONERS))
    return provisioner("inventory")


def test_units_of_sessions_are_no_part_of_an_image(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = ["ray-head.service enabled enabled", "session-603.scope transient -"]
    monkeypatch.setattr(script, "lines_of", lambda *command: listing)

    assert script.units() == {"ray-head.service": "enabled"}


def test_files_are_those_of_no_package_and_of_no_environment(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ours.py", "packaged", "venv/bin/python", "__pycache__/ours.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("ours.py")
    monkeypatch.setattr(script, "PLACES", (str(tmp_path),))
    monkeypatch.setattr(script, "environments", lambda: [str(tmp_path / "venv")])
    monkeypatch.setattr(script, "_packaged", lambda: [str(tmp_path / "packaged")])

    assert script.files() == {
        str(tmp_path / "ours.py"): {
            "sha256": hashlib.sha256(b"ours.py").hexdigest(),
            "sha1": hashlib.sha1(b"ours.py", usedforsecurity=False).hexdigest(),
        }
    }


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("/etc/ssh/sshd_config", True),
        ("/etc/raykiln/image.env", True),
        ("/etc/ssh/ssh_host_rsa_key", False),
        ("/etc/machine-id", False),
        ("/etc/shadow-", False),
        ("/etc/hosts", False),
        ("/etc/raykiln/image.json", False),
    ],
)
def test_what_differs_from_machine_to_machine_and_passwords_are_left_out(
    script: ModuleType, path: str, counts: bool
) -> None:
    assert script._counts(Path(path)) is counts
