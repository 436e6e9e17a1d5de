"""Rules of the house that no linter knows: who may import whom, and what no file may say."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Each place may import from those before it, and from itself. A place is a package, a room of one,
# or a module; the longest that fits a module's name is where it lives.
PLACES = (
    "node.contract",
    *("node.log", "node.clients", "node.identity", "node.notify", "node.reports"),
    "node.storage",
    *("node.lease", "node.ray", "node.logs", "node.head", "node.worker", "node.give_up"),
    "common",
    "documents",
    "bake",
    *(
        "deploy.reach",
        "deploy.release",
        "deploy.foundation",
        "deploy.account",
        "deploy.cluster",
        "deploy.plan",
        "deploy.verify",
    ),
    *("deploy.rollout", "deploy.operate", "deploy.report"),
    "deploy.documents",
    "localcloud",
    "drills",
    "commands",
    "tasks",
)
# What ships alone is imported by nothing else, but for the names that both sides share.
ALONE = "node"
SHARED = "node.contract"
# These stand in for AWS, and may use the real parts of a node.
STANDS_IN = ("localcloud", "drills")
# A task reads, shows, asks, acts; from `def` to its last line.
TASK_LINES = 15


def modules(package: str) -> list[Path]:
    """Return the Python files of a package."""
    return sorted((ROOT / package).rglob("*.py"))


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the dotted names that a file imports, wherever the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def place_of(module: str) -> str:
    """Return where a module lives; empty for what is not ours, or belongs to no place."""
    fitting = [place for place in PLACES if f"{module}.".startswith(f"{place}.")]
    return max(fitting, key=len, default="")


def product() -> list[Path]:
    """Return every module that is not a test."""
    packages = dict.fromkeys(place.partition(".")[0] for place in PLACES)
    return [path for package in packages for path in modules(package)] + [ROOT / "tasks.py"]


def dotted(path: Path) -> str:
    """Return a file's name as an import has it."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def test_every_module_has_a_place() -> None:
    packages = {dotted(path) for path in product() if path.name == "__init__.py"}
    assert {dotted(p) for p in product() if not place_of(dotted(p))} - packages == set()


def test_a_module_imports_only_from_places_before_its_own() -> None:
    wrong = {
        f"{dotted(path)} imports {name}"
        for path in product()
        for name in imports(path)
        if place_of(name)
        and PLACES.index(place_of(name)) > PLACES.index(place_of(dotted(path)) or PLACES[0])
    }
    assert wrong == set()


def test_no_product_module_imports_a_test() -> None:
    wrong = {
        f"{dotted(path)} imports {name}"
        for path in product()
        for name in imports(path)
        if name.split(".")[0] == "tests"
    }
    assert wrong == set()


def test_only_a_stand_in_for_aws_imports_what_ships_alone() -> None:
    wrong = {
        f"{dotted(path)} imports {name}"
        for path in product()
        for name in imports(path)
        if name.split(".")[0] == ALONE
        and not f"{name}.".startswith(f"{SHARED}.")
        and name != ALONE
        and dotted(path).split(".")[0] not in (ALONE, *STANDS_IN)
    }
    assert wrong == set()


def test_what_ships_alone_imports_nothing_else_of_ours() -> None:
    ours = {place.split(".")[0] for place in PLACES} - {ALONE}
    wrong = {
        f"{dotted(path)} imports {name}"
        for path in modules(ALONE)
        for name in imports(path)
        if name.split(".")[0] in ours
    }
    assert wrong == set()


@pytest.mark.parametrize(
    ("package", "only"), [("documents", "common"), ("bake", "common"), ("localcloud", "common")]
)
def test_of_other_packages_it_imports_only_the_common_one(package: str, only: str) -> None:
    others = {place.split(".")[0] for place in PLACES} - {package, only, ALONE}
    wrong = {
        f"{dotted(path)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if name.split(".")[0] in others
    }
    assert wrong == set()


@pytest.mark.parametrize(
    "folder",
    ["common", "documents", "deploy", "bake", "node", "packer", "ami-provisioners", "systemd"],
)
def test_nothing_that_deploys_knows_of_the_local_cloud(folder: str) -> None:
    knowing = re.compile(r"localcloud|local cloud|moto\b|nspawn", re.IGNORECASE)
    allowed = {"common/environment.py"}  # the model of a file that names its provider
    wrong = {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc" and knowing.search(path.read_text("utf-8"))
    }
    assert wrong - allowed == set()


def tasks_in(path: Path) -> list[ast.FunctionDef]:
    """Return the functions of a file that invoke runs."""
    return [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(one).partition("(")[0] == "task" for one in node.decorator_list)
    ]


@pytest.mark.parametrize("package", ["node", "common", "documents", "bake", "deploy"])
def test_no_arn_is_made_for_one_partition_only(package: str) -> None:
    """China's and GovCloud's ARNs begin otherwise: common/aws_rules.py."""
    made = [path.name for path in modules(package) if re.search(r"f[\"']arn:aws", path.read_text())]

    assert made == []


def test_a_task_is_short() -> None:
    lengths = {
        f"{dotted(path)}.{task.name}": (task.end_lineno or 0) - task.lineno + 1
        for path in (*modules("commands"), ROOT / "tasks.py")
        for task in tasks_in(path)
    }
    assert len(lengths) > 20
    assert {name: lines for name, lines in lengths.items() if lines > TASK_LINES} == {}


def test_only_the_commands_and_the_drills_import_the_local_cloud() -> None:
    may = ("localcloud", "drills", "commands")
    wrong = {
        f"{dotted(path)} imports {name}"
        for path in product()
        for name in imports(path)
        if name.split(".")[0] == "localcloud" and dotted(path).split(".")[0] not in may
    }
    assert wrong == set()


def test_a_command_imports_the_local_cloud_only_where_the_provider_is_the_local_cloud() -> None:
    wrong: set[str] = set()
    for path in set(modules("commands")) - {ROOT / "commands/cloud.py"}:
        tree = ast.parse(path.read_text())
        allowed = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If)
            and ast.unparse(node.test) == "environment.provider == 'localcloud'"
            for statement in node.body
            for inner in ast.walk(statement)
        }
        wrong |= {
            f"{dotted(path)}:{node.lineno}"
            for node in set(ast.walk(tree)) - allowed
            if isinstance(node, ast.ImportFrom | ast.Import) and "localcloud" in ast.unparse(node)
        }
    assert wrong == set()


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
