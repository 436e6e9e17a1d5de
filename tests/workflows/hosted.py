"""Run workflows as on GitHub, against a local cloud: jobs with real commands and real roles.

act takes the workflows, evaluates their expressions and runs their jobs on this host. What it does
not have is added to each job in the copy that it reads, and nothing else is changed there:

- a first step that waits for the environment's reviewers and for the job's turn in its concurrency
  group, and a last one that ends the turn (``github``);
- the variables of the job's environment in place of ``vars``, which act has for all jobs alike;
- its runner: with the label ``in-vpc`` in the VPC, else outside of it; neither has the terminal
  that act gives to each step.

Jobs check the commit out, and run it with nothing but its runtime locks.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from localcloud.paths import Paths
from localcloud.session import REMOVED, operator_command
from tests.workflows.github import BEGIN, END, SINGLE, GitHub
from tests.workflows.runs import ROOT, RUNNERS, USED, act_tool, readable

Tree = dict[str, Any]
ACTIONS = Path(__file__).with_name("hosted_actions")
VARIABLE = re.compile(r"\$\{\{ vars\.(\w+) \}\}")
REPOSITORY = "acme/ray"
PYTHON = f"PYTHONPATH={shlex.quote(str(ROOT))} {shlex.quote(sys.executable)}"
NO_TERMINAL = '#!/bin/bash\nset -o pipefail\n{command} "$@" </dev/null 2>&1 | cat\n'
LOCKS = ("requirements-uv.txt", "requirements.txt")  # run.sh's with RAYKILN_ONLY
# An operator's of the local cloud, not a runner's.
NOT_A_RUNNERS = ("RAYKILN_HOME", "RAYKILN_INSIDE", "RAYKILN_ENV", "AWS_SHARED_CREDENTIALS_FILE")
IN_VPC = """
import os, sys
from pathlib import Path
from localcloud.paths import Paths
from localcloud.session import join
join(Paths(Path(sys.argv[1]), Path(sys.argv[2])))
del os.environ["PYTHONPATH"]
os.execvp(sys.argv[3], sys.argv[3:])
"""
# A run waits too, where its workflow has a concurrency group.
IN_TURN = f'"${{HOSTED}}" {BEGIN} && {{ "$@"; code=$?; "${{HOSTED}}" {END}; exit $code; }}'


class Runners(NamedTuple):
    """What runs a command as a runner of each kind does."""

    outside: Path
    in_vpc: Path


def hosted(workflow: Tree, runners: Runners) -> Tree:
    """Return a workflow with GitHub's part in each job that has one."""
    jobs = {name: hosted_job(job, runners) for name, job in workflow["jobs"].items()}
    # YAML 1.1 reads the key `on` as true.
    rest = {"on" if str(key) == "True" else key: value for key, value in workflow.items()}
    return {**rest, "jobs": jobs}


def hosted_job(job: Tree, runners: Runners) -> Tree:
    """Return a job with GitHub's part; one that calls a workflow has none, nor one without any."""
    may_ask = job.get("permissions", {}).get("id-token") == "write"
    if "steps" not in job or not (may_ask or {"environment", "concurrency"} & job.keys()):
        return job
    told = {
        "JOB_ENVIRONMENT": job.get("environment", ""),
        **turn(job),
        "JOB_MAY_ASK": "yes" if may_ask else "",
    }
    step = {"shell": "bash", "env": told}
    first = {**step, "id": "github", "run": f'exec "${{HOSTED}}" {BEGIN}'}
    last = {**step, "if": "always()", "run": f'exec "${{HOSTED}}" {END}'}
    steps = json.loads(VARIABLE.sub(r"${{ steps.github.outputs.\1 }}", json.dumps(job["steps"])))
    runner = runners.in_vpc if "in-vpc" in job["runs-on"] else runners.outside
    shell = {"run": {"shell": f"{runner} bash -e {{0}}"}}
    return {**job, "defaults": shell, "steps": [first, *steps, last]}


def turn(written: Tree) -> dict[str, str]:
    """Return what a job or a workflow says of its concurrency group."""
    concurrency = written.get("concurrency", {})
    return {
        "JOB_GROUP": concurrency.get("group", ""),
        "JOB_QUEUE": concurrency.get("queue", SINGLE),
    }


@dataclass
class Run:
    """A run of a workflow that has begun."""

    name: str
    process: "subprocess.Popen[bytes]"
    file: Path

    @property
    def log(self) -> str:
        """Return what it has printed until now."""
        return self.file.read_text(errors="replace")

    def ended(self, seconds: float = 1500.0) -> int:
        """Wait for its end; return act's exit code."""
        return self.process.wait(seconds)


class Repository:
    """A repository on GitHub whose workflows act on a local cloud.

    ``actions`` are the stand-ins of GitHub's; ``outside`` makes a command one of a runner outside.
    """

    def __init__(
        self,
        folder: Path,
        place: Paths,
        *,
        actions: Path = ACTIONS,
        outside: Callable[[list[str]], list[str]] = operator_command,
    ) -> None:
        self.folder, self._actions, self._outside = folder, actions, outside
        folder.mkdir()
        (folder / "github").mkdir()
        self.github = GitHub(folder / "github")
        self.github.issuer.publish(place.issuers)
        self.origin = folder / "origin"
        self.venv = place.cache / "runner" / _stamp()
        self._runs: list[Run] = []
        module = f"-m tests.workflows.github {shlex.quote(str(self.github.folder))}"
        self._write("hosted", f'#!/bin/sh\n{PYTHON} {module} "$@"\n')
        self._runners = Runners(folder / "outside", folder / "in-vpc")
        where = shlex.join((IN_VPC, str(place.home), str(place.cache)))
        self._write("outside", NO_TERMINAL.format(command=""))
        self._write("in-vpc", NO_TERMINAL.format(command=f"{PYTHON} -c {where}"))
        self._create()

    def _create(self) -> None:
        """Make the repository from the files of this checkout that git knows."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for name in filter(None, listed.decode().split("\0")):
            if (ROOT / name).is_file():
                (self.origin / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.origin / name)
        self._git("init", "--quiet", "-b", "main")
        # A run may ask for any commit.
        self._git("config", "uploadpack.allowAnySHA1InWant", "true")

    def install(self) -> None:
        """Install what run.sh installs for a job, once for all of them: it is kept in the cache."""
        if self.venv.exists():
            return
        subprocess.run(
            ["./run.sh", "--list"],
            cwd=self.origin,
            env=os.environ | {"RAYKILN_ONLY": "deploy"},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        self.venv.parent.mkdir(exist_ok=True)
        half = self.venv.with_name(f"{self.venv.name}.{os.getpid()}")
        shutil.move(self.origin / ".venv", half)
        half.rename(self.venv)

    def merge(self, files: dict[str, str]) -> None:
        """Commit these files on the main branch."""
        for name, content in files.items():
            (self.origin / name).write_text(content)
        self._git("add", "--all")
        who = ("-c", "user.name=t", "-c", "user.email=t@localhost")
        self._git(*who, "commit", "--quiet", "--message", "a change")

    def start(self, workflow: str, event: str, **inputs: str) -> Run:
        """Begin a run of a workflow at the newest commit."""
        name = f"{workflow}-{len(self._runs) + 1}"
        clone = self.folder / "runs" / name
        subprocess.run(["git", "clone", "--quiet", self.origin, clone], check=True)
        remote = f"https://github.com/{REPOSITORY}.git"
        subprocess.run(["git", "-C", clone, "remote", "set-url", "origin", remote], check=True)
        workflows = clone / ".github/workflows"
        text = "\n".join(path.read_text() for path in workflows.glob("*.yml"))
        waits = turn({})
        for path in workflows.glob("*.yml"):
            written = yaml.safe_load(path.read_text())
            if path.stem == workflow:
                waits = turn(written)
            found = hosted(written, self._runners)
            path.write_text(readable(yaml.safe_dump(found, sort_keys=False)))
        about = self.folder / "runs" / f"{name}.json"
        about.write_text(json.dumps({"ref": "refs/heads/main", "inputs": inputs}))
        file = self.folder / "runs" / f"{name}.log"
        told, command = self._told(name, waits), self._act(workflow, event, about, text)
        with file.open("wb") as log:
            process = subprocess.Popen(
                self._outside([*told, "sh", "-c", IN_TURN, "sh", *command]),
                cwd=clone,
                env={key: value for key, value in os.environ.items() if key not in REMOVED}
                | {"PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._runs.append(Run(name, process, file))
        return self._runs[-1]

    def run(self, workflow: str, event: str, **inputs: str) -> tuple[int, str]:
        """Run a workflow; return act's exit code and what it printed."""
        begun = self.start(workflow, event, **inputs)
        return begun.ended(), begun.log

    def stop(self) -> None:
        """Stop the runs that have not ended, with all that they started."""
        for run in self._runs:
            if run.process.poll() is None:
                os.killpg(run.process.pid, signal.SIGTERM)
                run.ended()

    def _told(self, run: str, waits: dict[str, str]) -> list[str]:
        """Return the arguments of env that make an operator of the local cloud a runner."""
        told = {
            "HOSTED": self.folder / "hosted",
            "HOSTED_RUN": run,
            "JOB_ENVIRONMENT": "",
            **waits,
            "JOB_MAY_ASK": "",
            "HOSTED_ORIGIN": self.origin,
            "HOSTED_VENV": self.venv,
            "XDG_CACHE_HOME": self.folder / "cache",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        removed = [f"--unset={name}" for name in (*NOT_A_RUNNERS, "PYTHONPATH")]
        return ["env", *removed, *(f"{name}={value}" for name, value in told.items())]

    def _act(self, workflow: str, event: str, about: Path, workflows: str) -> list[str]:
        """Return act's command line, for a clone whose workflows have this text."""
        options = ["--action-offline-mode", "--no-cache-server", "--pull=false"]
        options += ["--no-skip-checkout"]  # the commit, not the copy that act reads
        for runner in RUNNERS:
            options += ["--platform", f"{runner}=-self-hosted"]
        for used, name in sorted(set(USED.findall(workflows))):
            options += ["--local-repository", f"{used}={self._actions / name}"]
        file = f".github/workflows/{workflow}.yml"
        return [str(act_tool()), event, *options, "--workflows", file, "--eventpath", str(about)]

    def _write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)
        (self.folder / name).chmod(0o755)

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", "-C", str(self.origin), *arguments], check=True)


def _stamp() -> str:
    """Name the locks of a job, by their content."""
    locks = b"".join((ROOT / name).read_bytes() for name in LOCKS)
    return hashlib.sha256(locks).hexdigest()[:16]
