"""docs/first-job.md as its reader uses it: files, commands in their order, and what they print."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from common.waiting import Seen
from tests.cloud.cluster_facts import ROOT
from tests.cloud.harness import until
from tests.cloud.suite_run import toml
from tests.cloud.terminal import Ran, run_on_terminal

PAGE = ROOT / "docs/first-job.md"
COMMAND = re.compile(r"(?:\./run\.sh|\.venv/bin/|mkdir) ?\S")
FILE = re.compile(r"# (my-\S+)\n")
OWN = re.compile(r"(?<!\S)(?:\./)?(my-(?:folder|package))")
JOB = re.compile(r"job-[0-9a-f]{12}")
# What is another's on each machine, or another each time.
OTHERS = re.compile(
    r"job-[0-9a-f]{12}|10\.77\.\d+\.\d+|\b\d+\.\d\b|/home/you/raykiln|…"
    r"|(?<=from step )\d+|(?<=pieces on )\d+"
)
# What only reads, and so is run again until it shows what is to come.
READS = ("./run.sh job.list", "./run.sh job.logs")
BESIDE = "In another terminal"


@dataclass
class Step:
    """A command of the page, and the lines that it prints, among others."""

    command: str
    prints: list[str] = field(default_factory=list)
    beside: bool = False


@dataclass
class Page:
    """What the page says, in its order; ``groups`` is the table of its worker groups."""

    files: dict[str, str]
    steps: list[Step]
    groups: dict[str, object]


def read_page(text: str) -> Page:
    """Return the files, commands and outputs of the page."""
    page = Page({}, [], {})
    fenced = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for kind, block in fenced.findall(text):
        if named := FILE.match(block):
            page.files[named[1]] = block
        elif kind == "toml":
            page.groups = tomllib.loads(block)["workers"]
    beside = False
    for line in fenced.sub("", text).splitlines():
        if not line.startswith("    "):
            beside = line.startswith(BESIDE) if line else beside
        elif COMMAND.match(line.strip()):
            page.steps.append(Step(line.strip(), beside=beside))
            beside = False
        else:
            page.steps[-1].prints.append(line.strip())
    return page


def matches(wanted: str, line: str) -> bool:
    """Say whether a line is the page's, but for what differs each time and the spaces between."""
    kept = [re.escape(part) for part in OTHERS.split(" ".join(wanted.split()))]
    return re.fullmatch(".*?".join(kept), " ".join(line.split())) is not None


def missing(wanted: list[str], printed: str) -> list[str]:
    """Return the page's lines from the first on that was not printed after those before it."""
    lines: Iterator[str] = iter(printed.splitlines())
    for number, want in enumerate(wanted):
        if not any(matches(want, line) for line in lines):
            return wanted[number:]
    return []


class Reader:
    """Follows the page: its folders are in ``folder``, and its environment's file too."""

    def __init__(self, folder: Path) -> None:
        self.page = read_page(PAGE.read_text())
        self._folder, self._job = folder, ""

    def write_files(self) -> None:
        """Write the page's files, and the environment's file with its groups of workers."""
        for name, text in self.page.files.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        content = tomllib.loads((ROOT / "environments/local.toml").read_text())
        lines = [
            f"{key} = {toml(value)}\n"
            for key, value in (content | {"workers": self.page.groups}).items()
        ]
        (self._folder / "local.toml").write_text("".join(lines))

    def types(self, step: Step) -> str:
        """Return a step's command with this reader's folders and newest job."""
        command = re.sub(
            r"(?<!\S)(?:\./)?(my-(?:folder|package))", rf"{self._folder}/\1", step.command
        )
        return JOB.sub(self._job, command)

    def follows(self, step: Step) -> None:
        """Run a step on a terminal, and see that it prints what the page says."""

        def look() -> Seen[Ran]:
            ran = run_on_terminal(self.types(step), ROOT)
            lacking = missing(step.prints, ran.printed)
            right = ran.code == 0 and not lacking
            return Seen(ran if right else None, f"{ran.code}: {lacking} in {ran.printed[-3000:]}")

        if step.command.startswith(READS):
            ran = until(step.command, look)
        else:
            seen = look()
            assert seen.value, f"{step.command}: {seen.words}"
            ran = seen.value
        if "job.submit" in step.command:
            self._job = JOB.findall(ran.printed)[0]

    def beside(self, step: Step) -> "subprocess.Popen[str]":
        """Start a step that runs until Ctrl-C."""
        return subprocess.Popen(
            ["bash", "-c", f"exec {self.types(step)}"],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
