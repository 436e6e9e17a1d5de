"""The locks: what works on AWS needs requirements.txt alone, without the local cloud's packages."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ON_AWS = ("common", "bake", "deploy", "commands")
LOCAL_ALONE = ("moto", "flask", "cfnlint", "werkzeug")
# Where the locks of the documents application are; together they are one Python.
DOCUMENTS = ("documents", "documents/model", "tests/documents")
# Imported only by what runs on a node, where the image has it.
ON_NODES = {"ray"}
OURS = {
    *("bake", "commands", "common", "deploy", "documents", "drills", "localcloud", "node", "tests"),
}
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==(.*?) *\\?$", re.MULTILINE)
NOT_PYPY = re.compile(r" ; .*(?:!= 'PyPy'|!= 'pypy').*")


def pins(lock: str) -> dict[str, set[str]]:
    """Return what a lock installs: a version, or one for each CPython, by the package's name."""
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall((ROOT / lock).read_text()):
        found.setdefault(name.lower(), set()).add(NOT_PYPY.sub("", version))
    return found


def imported(folder: str) -> set[str]:
    """Return the packages of others that a folder imports, wherever the import stands."""
    found: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - OURS - ON_NODES - set(sys.stdlib_module_names)


@pytest.mark.parametrize("folder", ON_AWS)
def test_what_works_on_aws_imports_only_what_requirements_txt_installs(folder: str) -> None:
    provided = packages_distributions()
    installed = pins("requirements.txt").keys()
    missing = {
        name
        for name in imported(folder)
        if not installed & {found.lower() for found in provided.get(name, [])}
    }
    assert missing == set()


def test_every_module_for_aws_can_be_imported_without_the_local_clouds_packages() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for folder in ON_AWS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "ray" not in imported_at_the_top(path)
    ]
    script = f"""
import importlib, sys
sys.modules.update(dict.fromkeys({LOCAL_ALONE!r}))
for name in {[*modules, "tasks", "localcloud.paths", "localcloud.session"]!r}:
    importlib.import_module(name)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.returncode == 0


def imported_at_the_top(path: Path) -> set[str]:
    """Return the packages that a module imports when it is imported itself."""
    body = ast.parse(path.read_text()).body
    direct = {a.name.partition(".")[0] for n in body if isinstance(n, ast.Import) for a in n.names}
    parts = {(n.module or "").partition(".")[0] for n in body if isinstance(n, ast.ImportFrom)}
    return direct | parts


def test_no_package_of_the_local_cloud_is_installed_for_aws() -> None:
    assert pins("requirements.txt").keys() & {"moto", "flask", "cfn-lint", "werkzeug"} == set()
    assert pins("requirements-local.txt").keys() >= {"moto", "flask"}


def test_the_locks_agree_on_every_package_that_two_of_them_have() -> None:
    locks = [pins(path.name) for path in ROOT.glob("requirements*.txt")]
    locks += [pins(f"{folder}/requirements.lock") for folder in DOCUMENTS]
    differ = {
        name
        for one, other in combinations(locks, 2)
        for name in one.keys() & other.keys()
        if one[name] != other[name]
    }
    assert differ == set()


def test_the_documents_application_has_the_packages_of_the_images() -> None:
    ours = versions("documents/requirements.lock")
    images = versions("ami-provisioners/ray.lock")
    assert ours["ray"] == {"2.60.0"}
    # The images' lock has a second version of some, for an older Python.
    shared = ours.keys() & images.keys()
    assert {name for name in shared if not ours[name] <= images[name]} == set()


def versions(lock: str) -> dict[str, set[str]]:
    """Return what a lock installs, on whichever Python."""
    return {
        name: {version.partition(" ;")[0] for version in found}
        for name, found in pins(lock).items()
    }
