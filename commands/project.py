"""Tasks of this project itself: the demo, its tests, its locks."""

import sys

from invoke.context import Context
from invoke.tasks import task

from commands.failures import plain_errors

DEMO = (
    ("start the local cloud", "cloud.up"),
    ("bake and test the images", "bake --env local"),
    ("deploy a cluster", "deploy --env local --yes"),
    ("show its status", "status --env local"),
    ("run the smoke job on every node", "smoke --env local"),
)
# what is asked for, what it is pinned to, the oldest Python that installs it
LOCKS = (
    ("requirements-uv.in", "requirements-uv.txt", "3.11"),
    ("requirements.in", "requirements.txt", "3.11"),
    ("requirements-dev.in", "requirements-dev.txt", "3.11"),
    ("ami-provisioners/ray.in", "ami-provisioners/ray.lock", "3.10"),
)


@task
def demo(c: Context) -> None:
    """Deploy a cluster on the local cloud from nothing and run the smoke job; time each step."""
    with plain_errors():
        from deploy.report.console import console, show_table

        rows = [(title, f"{run_shown(arguments):.1f} s") for title, arguments in DEMO]
        console.print()
        show_table("Duration", ("step", "time"), rows)
        console.print(
            "The cluster keeps running. Next: ./run.sh verify; ./run.sh cloud.down deletes all."
        )


def run_shown(arguments: str) -> float:
    """Print a command of ours, run it, and return its seconds."""
    from deploy.report.console import console, run_timed

    console.print(f"\n[bold]$ ./run.sh {arguments}[/bold]")
    return run_timed([sys.executable, "-m", "invoke", *arguments.split()])


@task(help={"only": "files or folders below tests/, and pytest's options (default: all)"})
def test(c: Context, only: str = "") -> None:
    """Run the linters and all tests; those in tests/cloud start local clouds of their own."""
    with plain_errors():
        from deploy.report.console import run_timed

        pytest = [sys.executable, "-m", "pytest"]
        if only:
            run_timed([*pytest, *only.split()])
        else:
            run_timed([*pytest, "--numprocesses=2", "tests/lint", "tests/unit"])
            run_timed([*pytest, "tests/cloud"])


@task
def lock(c: Context) -> None:
    """Upgrade and re-pin every lock, with hashes."""
    with plain_errors():
        from deploy.report.console import run_timed

        for wanted, pinned, python in LOCKS:
            run_timed(
                [
                    *(".venv/bin/uv", "pip", "compile", "--quiet", "--upgrade", "--universal"),
                    *("--generate-hashes", "--no-emit-index-url", "--no-header"),
                    *("--python-version", python, wanted, "--output-file", pinned),
                ]
            )
