"""Tasks of this project itself: the demo, its tests, its locks."""

import os
import shlex
import sys
from functools import partial

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from commands.children import patiently
from commands.failures import plain_errors
from commands.shared import YES
from common.errors import Refused

DEMO = (
    ("start the local cloud", "cloud.up"),
    ("bake and test the images", "bake --env local"),
    ("deploy a cluster", "deploy --env local --yes"),
    ("show its status", "status --env local"),
    ("run the smoke job on every node", "smoke --env local"),
)


@task(help={"documents": "the document pipeline in place of a cluster; deleted at the end"})
def demo(c: Context, documents: bool = False) -> None:
    """Deploy a cluster on the local cloud from nothing and run the smoke job; time each step."""
    with plain_errors():
        from commands.documents_demo import demo_documents

        show_times(demo_documents() if documents else demo_cluster())


def demo_cluster() -> list[tuple[str, float]]:
    """Run the steps of a cluster's demo; return each and its seconds."""
    from deploy.report.console import console

    times = [(title, run_shown(arguments)) for title, arguments in DEMO]
    console.print("\nThe cluster keeps running. Next: ./run.sh verify; cloud.down deletes all.")
    return times


def show_times(times: list[tuple[str, float]]) -> None:
    """Print how long each step took, and all of them."""
    from deploy.report.console import console, show_table

    console.print()
    total = ("all", sum(seconds for _, seconds in times))
    rows = [(title, f"{seconds:.1f} s") for title, seconds in [*times, total]]
    show_table("Duration", ("step", "time"), rows)


def run_shown(arguments: str) -> float:
    """Print a command of ours, run it, and return its seconds."""
    from deploy.report.console import console, run_timed

    console.print(f"\n[bold]$ ./run.sh {arguments}[/bold]")
    return run_timed([sys.executable, "-m", "commands", *shlex.split(arguments)])


# One worker for each core, up to eight: a worker takes about 400 MB.
PARALLEL = ("--numprocesses=logical", "--maxprocesses=8", "--dist=worksteal")
# Two files at a time: the machines and tasks that each starts mostly wait.
TWO_FILES = (
    *("--numprocesses=logical", "--maxprocesses=2"),
    *("--dist=loadfile", "--no-loadscope-reorder"),
)
MACHINES = "tests/cloud"
# Needs packages that .venv has not.
DOCUMENTS = "tests/documents"
ONLY = "files or folders below tests/, and pytest's options (default: all)"


def pytest(*arguments: str) -> list[str]:
    """Return the command that runs tests and names the slowest."""
    return [sys.executable, "-m", "pytest", "--durations=15", *arguments]


def run_tests(*arguments: str) -> None:
    """Run pytest; raises PipelineError when a test fails."""
    from deploy.report.console import run_timed

    run_timed(pytest(*arguments))


def run_documents_tests(*arguments: str) -> None:
    """Run the tests that need Ray and a model, in the documents application's own Python.

    Raises PipelineError when a test fails.
    """
    from commands.documents_runtime import model_folder, runtime_python
    from common.checkout import cache
    from deploy.report.console import run_timed

    model_folder(cache())
    python = str(runtime_python(cache()))
    run_timed([python, *pytest(*arguments)[1:]])


def run_all_tests() -> None:
    """Run the tests on machines, and all others beside them.

    Raises PipelineError when a test fails.
    """
    from deploy.report.console import console, running_beside

    console.print("tests/lint, tests/unit and tests/documents run meanwhile; their results follow")
    only = " ".join((DOCUMENTS, *TWO_FILES))
    documents = [sys.executable, "-m", "commands", "test", "--only", only]
    with running_beside(pytest(*PARALLEL, "tests/lint", "tests/unit"), documents):
        run_tests(*TWO_FILES, MACHINES)


def run_in_account(only: str, env: str, sweep: str, yes: bool) -> None:
    """Run the tests on machines in an environment's account, or delete what a run of them left.

    Raises Refused without an environment and for other tests, and Exit with the code of the run.
    """
    options = [*(["--sweep", sweep] if sweep else []), *(["--yes"] if yes else [])]
    if not env:
        raise Refused(
            f"{options[0]} is about an environment's account, and --env names none",
            hint=shlex.join(["./run.sh", "test", "--only", "cloud", "--env", "NAME", *options]),
        )
    if only not in ("cloud", MACHINES):
        raise Refused(
            "only the tests of tests/cloud can be pointed at an account",
            hint=f"./run.sh test --only cloud --env {env}",
        )
    command = [sys.executable, "-m", "tests.cloud", "--env", env, *options]
    if code := patiently(command):
        raise Exit("", code)


@task
def check(c: Context) -> None:
    """Run the linters and the quick tests."""
    with plain_errors():
        quick = "not slow and not thorough and not machines"
        run_tests(*PARALLEL, "-m", quick, "tests/lint", "tests/unit")


@task(
    help={
        "only": f"{ONLY}; with --env it must be cloud",
        "env": "run those that can in the account of this file in environments/",
        "sweep": "only delete what the run with this id created there",
        "yes": YES,
    }
)
def test(c: Context, only: str = "", env: str = "", sweep: str = "", yes: bool = False) -> None:
    """Run the linters and all tests; those in tests/cloud start local clouds of their own."""
    with plain_errors():
        if env or sweep or yes:
            run_in_account(only, env, sweep, yes)
        elif only.startswith(DOCUMENTS):
            run_documents_tests(*only.split())
        elif only:
            run_tests(*only.split())
        else:
            run_all_tests()


@task(help={"only": ONLY})
def thorough(c: Context, only: str = "tests/unit") -> None:
    """Run what `test` runs a sample of: every fault at every call; it takes hours."""
    with plain_errors():
        os.environ.setdefault("RAYKILN_THOROUGH", "1")
        beside = TWO_FILES if only.startswith(MACHINES) else PARALLEL
        run = run_documents_tests if only.startswith(DOCUMENTS) else partial(run_tests, *beside)
        run("-m", "thorough", *only.split())


@task(
    help={
        "room": "one of node, bake, deploy/plan…; all by default",
        "tenths": "of the mutants, how many tenths are tried",
        "minutes": "of work, for all rooms together",
    }
)
def mutants(c: Context, room: str = "", tenths: int = 1, minutes: int = 55) -> None:
    """Change the code in small ways, one at a time, and name what no test notices."""
    with plain_errors():
        from commands.mutation import chosen, show, try_room

        rooms = chosen(room)
        for name in rooms:
            show(try_room(name, tenths, minutes / len(rooms)))


# what is asked for, what it is pinned to, the oldest Python that installs it. uv's first lines in a
# lock tell Dependabot how to compile it.
LOCKS = (
    ("requirements-uv.in", "requirements-uv.txt", "3.11"),
    ("requirements.in", "requirements.txt", "3.11"),
    ("requirements-local.in", "requirements-local.txt", "3.11"),
    ("requirements-dev.in", "requirements-dev.txt", "3.11"),
    ("ami-provisioners/ray.in", "ami-provisioners/ray.lock", "3.10"),
    ("documents/requirements.in", "documents/requirements.lock", "3.11"),
    ("documents/model/requirements.in", "documents/model/requirements.lock", "3.11"),
    ("tests/documents/requirements.in", "tests/documents/requirements.lock", "3.11"),
)


@task(help={"env": "move the lock of this environment's base images instead"})
def lock(c: Context, env: str = "") -> None:
    """Upgrade and re-pin every lock of packages, with hashes; or the base images of ENV."""
    with plain_errors():
        if env:
            lock_base_images(env)
        else:
            lock_packages()


def lock_packages() -> None:
    """Compile every lock of packages anew."""
    from deploy.report.console import run_timed

    for wanted, pinned, python in LOCKS:
        run_timed(
            [
                *(".venv/bin/uv", "pip", "compile", "--quiet", "--upgrade", "--universal"),
                *("--generate-hashes", "--no-emit-index-url", "--python-version", python),
                *(wanted, "--output-file", pinned),
            ]
        )


def lock_base_images(env: str) -> None:
    """Move an environment's lock to the newest base images, and say what moved."""
    from bake.source_lock import moves, newest_lock, read_lock, write_lock
    from commands.shared import BAKE, clients_of, environment_at
    from deploy.report.console import console

    environment = environment_at(env, act_as=BAKE)
    old, new = read_lock(environment), newest_lock(clients_of(environment), environment)
    lines = list(moves(old, new))
    for words in lines:
        console.print(words, markup=False)
    if not lines:
        console.print(f"{env}: no base image has moved", markup=False)
    else:
        console.print(f"{write_lock(new, environment)}: commit it", markup=False)
