"""run.sh: installs what is missing, says what it may not install, and then is invoke."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AWS_LOCKS = ("requirements-uv.txt", "requirements.txt")
LOCKS = (*AWS_LOCKS, "requirements-local.txt", "requirements-dev.txt")
ALWAYS_THERE = ("bash", "cat", "rm", "sha256sum", "dirname", "env", "python3")
# A Python that has all, and prints the arguments of what it runs; pip fails.
PYTHON = '[ "$1" != -c ] || exit 0; [ "$2" != pip ] || exit 1; shift 2; echo "invoke $*"'
# A Python that makes one, in which pip and uv do nothing.
MAKES_VENV = f"""\
[ "$1" != -c ] || exit 0
echo "python3 $*"
for folder; do :; done
rm -rf "$folder/bin"; mkdir -p "$folder/bin"; cd "$folder/bin"
printf '#!/bin/sh\\n%s\\n' 'exit 0' | tee pip uv >/dev/null
printf '#!/bin/sh\\n[ "$2" != pip ] || exit 0;%s\\n' '{PYTHON}' >python
chmod +x pip uv python
"""
UNPRIVILEGED = 65534  # a user id with no rights


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose .venv is complete, with a Python that prints its arguments."""
    folder = tmp_path / "clone"
    (folder / ".venv/bin").mkdir(parents=True)
    shutil.copy(ROOT / "run.sh", folder)
    for lock in LOCKS:
        (folder / lock).write_text(f"# {lock}\n")
    for name, text in {"python": PYTHON, "pip": "exit 2"}.items():
        tool = folder / ".venv/bin" / name
        tool.write_text(f"#!/bin/sh\n{text}\n")
        tool.chmod(0o755)
    stamp(folder, LOCKS)
    return folder


def stamp(clone: Path, locks: tuple[str, ...]) -> None:
    """Mark .venv as installed from these locks."""
    content = b"".join((clone / lock).read_bytes() for lock in locks)
    (clone / ".venv/.stamp").write_text(f"{hashlib.sha256(content).hexdigest()}  -\n")


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH with a shell and nothing that Raykiln installs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ALWAYS_THERE:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(Path(found).resolve())
    return folder


def run(
    clone: Path,
    *arguments: str,
    path: str = os.environ["PATH"],
    user: int | None = None,
    **variables: str,
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [clone / "run.sh", *arguments],
        env={"PATH": path} | variables,
        user=user,
        capture_output=True,
        text=True,
        check=False,
    )


def open_to_everyone(path: Path) -> None:
    """Let another user than root read a temporary folder."""
    for folder in (*path.parents, path):
        if folder.owner() == "root" and folder.is_relative_to("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)


def test_a_clone_may_have_spaces_and_quotes_in_its_name(clone: Path) -> None:
    odd = clone.rename(clone.with_name("a clone, of 'mine' $1 #2"))

    assert run(odd, "bake").stdout == "invoke bake\n"


def test_a_clone_with_a_colon_in_its_name_is_refused_with_what_to_do(clone: Path) -> None:
    odd = clone.rename(clone.with_name("a:clone"))

    done = run(odd, "bake")

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        f"{odd}: Raykiln cannot be in a folder whose name has a colon.\n"
        "  → move the clone to another folder, then run this again.\n"
    )


def test_with_nothing_missing_it_says_nothing_of_its_own(clone: Path) -> None:
    done = run(clone, "bake", "--role", "head")

    assert done.stdout == "invoke bake --role head\n"
    assert done.stderr == ""


def test_without_arguments_it_lists_the_tasks(clone: Path) -> None:
    assert run(clone).stdout == "invoke --list\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_without_root_it_names_the_command_for_an_administrator_and_goes_on(
    clone: Path, bare_path: Path, tmp_path: Path
) -> None:
    open_to_everyone(tmp_path)

    done = run(clone, "plan", path=str(bare_path), user=UNPRIVILEGED)

    assert "An administrator must run:" in done.stderr
    assert "apt-get install --no-install-recommends" in done.stderr
    assert "packer" in done.stderr
    assert done.stdout == "invoke plan\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, which installs")
def test_services_of_what_it_installs_are_masked_first(
    clone: Path, bare_path: Path, tmp_path: Path
) -> None:
    for name in ("apt-get", "systemctl"):
        tool = bare_path / name
        tool.write_text(f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/calls\n')
        tool.chmod(0o755)
    (bare_path / "redis-server").symlink_to("/bin/true")

    run(clone, "plan", path=str(bare_path))

    mask, update, install = (tmp_path / "calls").read_text().splitlines()
    assert mask.startswith("systemctl mask --quiet ")
    assert "docker-registry.service" in mask.split()
    assert "redis-server.service" not in mask.split()
    assert update == "apt-get update -qq"
    assert "docker-registry" in install.split()


def test_a_changed_lock_is_installed_before_anything_runs(clone: Path) -> None:
    (clone / "requirements.txt").write_text("# changed\n")

    done = run(clone, "bake")

    assert "Installing Python packages" in done.stderr
    assert done.returncode == 1
    assert "invoke" not in done.stdout


def gone(python: Path) -> None:
    python.unlink()
    python.symlink_to("/nowhere/python3")


def without_invoke(python: Path) -> None:
    python.write_text('#!/bin/sh\n[ "$1" != -c ] || exit 1; echo "No module named invoke"\n')


@pytest.mark.parametrize("broken", [gone, without_invoke])
def test_a_venv_that_no_longer_works_is_made_anew(
    clone: Path, tmp_path: Path, broken: Callable[[Path], None]
) -> None:
    broken(clone / ".venv/bin/python")
    makes_venv(tmp_path / "python/python3")
    path = f"{tmp_path / 'python'}:{os.environ['PATH']}"

    healed, again = (run(clone, "bake", path=path) for _ in range(2))

    assert healed.stdout.splitlines() == ["python3 -m venv --clear .venv", "invoke bake"]
    assert (healed.returncode, healed.stderr) == (0, "Installing Python packages into .venv\n")
    assert (again.stdout, again.stderr) == ("invoke bake\n", "")


def makes_venv(python: Path) -> None:
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\n{MAKES_VENV}")
    python.chmod(0o755)


def test_locks_that_come_back_after_an_install_that_failed_are_installed_again(
    clone: Path,
) -> None:
    lock = clone / "requirements.txt"
    before = lock.read_text()
    lock.write_text("# changed\n")
    run(clone, "bake")
    lock.write_text(before)

    assert "Installing Python packages" in run(clone, "bake").stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_without_a_python_it_says_which_one_it_needs_and_ends(
    clone: Path, bare_path: Path, tmp_path: Path
) -> None:
    (bare_path / "python3").unlink()
    (clone / ".venv/.stamp").unlink()
    open_to_everyone(tmp_path)

    done = run(clone, "plan", path=str(bare_path), user=UNPRIVILEGED)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-2:] == [
        "Python 3.11 or later is needed and was not found.",
        "  → install it (Debian 12 and Ubuntu 24.04 have it as python3), then run this again.",
    ]
    assert done.stderr.count("Python 3.11") == 1


def test_for_aws_alone_it_wants_neither_the_local_cloud_nor_the_test_tools(clone: Path) -> None:
    stamp(clone, AWS_LOCKS)

    done = run(clone, "deploy", RAYKILN_ONLY="deploy")

    assert done.stdout == "invoke deploy\n"
    assert done.stderr == ""


def test_what_is_to_be_installed_has_a_name_that_it_knows(clone: Path) -> None:
    done = run(clone, "deploy", RAYKILN_ONLY="everything")

    assert done.stderr == 'RAYKILN_ONLY is "everything"; it may be bake or deploy.\n'
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
@pytest.mark.parametrize(
    ("only", "packages"), [("bake", " packer openssh-client\n"), ("deploy", "")]
)
def test_for_aws_alone_it_names_only_the_packages_that_are_needed(
    clone: Path, bare_path: Path, tmp_path: Path, only: str, packages: str
) -> None:
    stamp(clone, AWS_LOCKS)
    open_to_everyone(tmp_path)

    done = run(clone, "plan", path=str(bare_path), user=UNPRIVILEGED, RAYKILN_ONLY=only)

    named = done.stderr.partition("--no-install-recommends")[2].partition("\n")
    assert "".join(named[:2]) == packages
    assert done.stdout == "invoke plan\n"
