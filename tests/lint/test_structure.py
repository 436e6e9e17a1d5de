"""Rules of the house that no linter knows: who may import whom, and what no file may say."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# package → the packages of ours that it may import
MAY_IMPORT = {
    "node": {"node"},
    "bake": {"bake", "deploy"},
    "deploy": {"bake", "deploy"},
    "localcloud": {"localcloud", "deploy", "node"},
}
# What deploy/ shares with everyone; bake/ comes before the rest of it.
GROUND = {"clients", "environment", "errors", "waiting"}


def modules(package: str) -> list[Path]:
    """Return the Python files of a package."""
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Return the dotted names that a file imports, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_stands_to_its_left(package: str) -> None:
    strangers = set(MAY_IMPORT) - MAY_IMPORT[package]
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if name.split(".")[0] in strangers | {"tests", "tasks"}
    }
    assert wrong == set()


@pytest.mark.parametrize("package", ["bake", "localcloud"])
def test_of_deploy_only_the_common_ground_is_imported(package: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if name.startswith("deploy.") and name.split(".")[1] not in GROUND
    }
    assert wrong == set()


@pytest.mark.parametrize(
    "folder", ["deploy", "bake", "node", "packer", "ami-provisioners", "systemd"]
)
def test_nothing_that_deploys_knows_of_the_local_cloud(folder: str) -> None:
    knowing = re.compile(r"localcloud|local cloud|moto\b|nspawn", re.IGNORECASE)
    allowed = {"deploy/environment.py"}  # the model of a file that names its provider
    wrong = {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc" and knowing.search(path.read_text("utf-8"))
    }
    assert wrong - allowed == set()


def tracked_text() -> dict[str, str]:
    """Return every tracked text file by its name."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    texts: dict[str, str] = {}
    for name in filter(None, listed):
        path = ROOT / name
        if path.is_file() and path != Path(__file__):
            texts[name] = path.read_text("utf-8", "replace")
    return texts


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("ends processes by name", r"\b(pkill|killall)\b"),
        ("names a package registry", r"pythonhosted|pypi\.org|deb\.debian\.org|registry\.npmjs"),
        ("holds an AWS access key", r"\bAKIA[0-9A-Z]{16}\b"),
        ("holds a private key", r"BEGIN [A-Z ]*PRIVATE KEY"),
        ("leaves work for later", r"\b(TODO|FIXME|XXX)\b"),
    ],
)
def test_no_file(what: str, pattern: str) -> None:
    wrong = [name for name, text in tracked_text().items() if re.search(pattern, text)]
    assert wrong == [], what
