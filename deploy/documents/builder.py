"""Build and push container images with what this machine has: Buildah, Podman or Docker. No AWS.

Those without a daemon come first. One counts as there when it answers: a command of Docker without
its daemon builds nothing.
"""

import shutil
import subprocess
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import PipelineError, Refused
from common.progress import Say

# The command that shows whether a tool can work here.
QUESTIONS = {
    "buildah": ("info",),
    "podman": ("info",),
    "docker": ("version", "--format", "{{.Server.Version}}"),
}
# An image of this pipeline has 600 MB; building it takes that several times.
SPACE = 4 * 2**30
KEPT_LINES = 15
FULL = "no space left on device"


@dataclass(frozen=True)
class Builder:
    """A tool that builds images; ``tool`` is its command."""

    tool: str

    def build(self, context: Path, base: str, name: str, progress: Say) -> None:
        """Build the image of a folder under a name; raises PipelineError with what it said last."""
        # Fargate's tasks are for this processor unless their definition says otherwise.
        options = ("--platform=linux/amd64",) if self.tool == "docker" else ("--layers",)
        named = (f"--build-arg=BASE={base}", f"--tag={name}")
        # Named from within: Buildah reads commas and quotes in a file's name as its options'.
        command = ("build", *options, *named, "--file=Containerfile", ".")
        self._run("building the image", command, progress, folder=context)

    def log_in(self, registry: str, password: str) -> None:
        """Log in to ECR; the password goes through standard input."""
        command = ["login", "--username=AWS", "--password-stdin", registry]
        self._run("logging in to ECR", command, lambda words: None, password)

    def push(self, name: str, progress: Say) -> None:
        """Push an image to the registry in its name."""
        self._run("pushing the image", ["push", name], progress)

    def _run(
        self,
        doing: str,
        arguments: Sequence[str],
        progress: Say,
        text: str = "",
        folder: Path | None = None,
    ) -> None:
        last: deque[str] = deque(maxlen=KEPT_LINES)
        with subprocess.Popen(
            [self.tool, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
        ) as process:
            if process.stdin:
                process.stdin.write(text)
                process.stdin.close()
            for line in process.stdout or ():
                if words := line.strip():
                    last.append(words)
                    progress(words[:120])
        if process.returncode:
            said = "\n  ".join(last) or "it printed nothing"
            hint = "see what it says above"
            if FULL in said.lower():
                hint = f"free space on this machine, for example with `{self.tool} image prune`"
            raise PipelineError(
                f"{doing}: {self.tool} exited with {process.returncode}:\n  {said}", hint=hint
            )


def find_builder() -> Builder:
    """Return the first tool that works here; raises Refused, saying what each one said."""
    said = []
    for tool, question in QUESTIONS.items():
        if not shutil.which(tool):
            said.append(f"  {tool}: not installed")
            continue
        done = subprocess.run(
            [tool, *question], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode == 0:
            return Builder(tool)
        words = (done.stderr or done.stdout).strip().splitlines()
        said.append(f"  {tool}: {(words or ['it printed nothing'])[-1]}")
    raise Refused(
        "nothing here builds container images:\n" + "\n".join(said),
        hint="install buildah, podman or docker; or set documents.image to an image that exists",
    )


def check_space(folder: Path) -> None:
    """Raise Refused where there is too little space to build."""
    free = shutil.disk_usage(folder).free
    if free < SPACE:
        raise Refused(
            f"{folder} has {free / 2**30:.1f} GiB left; building the image takes "
            f"{SPACE / 2**30:.0f} GiB",
            hint="free some, or set RAYKILN_CACHE to a folder on another disk",
        )
