"""Run a clone's workflows on this machine with act, without a network.

act takes a workflow as GitHub does, and runs its jobs on this host. What it does not have: the
protection rules of environments (a test chooses the jobs that run), concurrency groups, and the
tokens of OIDC (a stand-in writes down which role was asked for: tests/workflows/actions).
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ACTIONS = Path(__file__).parent / "actions"
USED = re.compile(r"uses: ([\w-]+/([\w-]+)@[0-9a-f]{40})")
RUNNERS = ("self-hosted", "ubuntu-24.04")
SECONDS = 1200
VARIABLES = {
    "RAYKILN_BAKE_ROLE": "arn:aws:iam::123456789012:role/raykiln-bake",
    "RAYKILN_DEPLOY_ROLE": "arn:aws:iam::123456789012:role/raykiln-deploy",
    "RAYKILN_REGION": "us-east-1",
}


@dataclass(frozen=True)
class Run:
    """How a run of a workflow ended, and what its jobs did, a line each."""

    code: int
    lines: tuple[str, ...]
    log: str

    def of(self, *words: str) -> list[str]:
        """Return the lines that begin with one of these words."""
        return [line for line in self.lines if line.split()[0] in words]


class Clone:
    """A clone of the repository with its workflows, in which act runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables = dict(VARIABLES)
        self.record = folder.parent / "record"
        subprocess.run(["git", "init", "--quiet", "-b", "main", folder], check=True)

    def add(self, name: str, content: str, *, executable: bool = False) -> None:
        """Write a file of the clone."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755 if executable else 0o644)

    def copy(self, *names: str) -> None:
        """Copy files or folders of the repository, as they are now."""
        for name in names:
            whole = (ROOT / name).is_dir()
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if whole else shutil.copy)(ROOT / name, self.folder / name)
        for path in (self.folder / ".github/workflows").glob("*.yml"):
            path.write_text(readable(path.read_text()))

    def commit(self) -> None:
        """Commit all of it; act asks git for the commit."""
        git = ["git", "-C", str(self.folder), "-c", "user.name=t", "-c", "user.email=t@localhost"]
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", "all"], check=True)

    def run(
        self, workflow: str, event: str, *, job: str = "", schedule: str = "", **inputs: str
    ) -> Run:
        """Run a workflow, or one of its jobs with those that it needs, for an event.

        ``schedule``: that of its own by which it is started.
        """
        done = subprocess.run(
            self.command(workflow, event, job, inputs, schedule),
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        self.record.unlink(missing_ok=True)
        return Run(done.returncode, tuple(lines), done.stdout + done.stderr)

    def command(
        self, workflow: str, event: str, job: str, inputs: dict[str, str], schedule: str = ""
    ) -> list[str]:
        """Return act's command line."""
        about = self.folder.parent / "event.json"
        given = {"ref": "refs/heads/main", "inputs": inputs, "schedule": schedule}
        about.write_text(json.dumps(given))
        act = str(act_tool())
        options = ["--action-offline-mode", "--no-cache-server", "--pull=false"]
        options += ["--concurrent-jobs", "1"]  # what one bake made, the next finds
        options += ["--use-gitignore=false"]  # a clone of a test brings its .venv
        for runner in RUNNERS:
            options += ["--platform", f"{runner}=-self-hosted"]
        for used, name in sorted(set(USED.findall(self._workflows()))):
            if (ACTIONS / name).is_dir():
                options += ["--local-repository", f"{used}={ACTIONS / name}"]
        for name, value in self.variables.items():
            options += ["--var", f"{name}={value}"]
        chosen = ["--job", job] if job else []
        file = f".github/workflows/{workflow}.yml"
        return [act, event, *options, *chosen, "--workflows", file, "--eventpath", str(about)]

    def environment(self) -> dict[str, str]:
        """Return the variables of act, and of all that the jobs run."""
        place = str(self.folder.parent)
        return os.environ | {"XDG_CACHE_HOME": f"{place}/cache", "RECORD": str(self.record)}

    def _workflows(self) -> str:
        found = (self.folder / ".github/workflows").glob("*.yml")
        return "\n".join(path.read_text() for path in found)


def readable(workflow: str) -> str:
    """Return a workflow without what act refuses: https://github.com/nektos/act/issues/6095."""
    return re.sub(r"^ +queue: max\n", "", workflow, flags=re.MULTILINE)


def act_tool() -> Path:
    """Return act; a missing one is a skip."""
    tool = shutil.which("act", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if tool is None:
        pytest.skip("act is not installed")
    return Path(tool)
