"""Build an AMI from a base image with Packer: variables in, AMI id out. Reads and changes AWS.

Packer's full output is kept in ``packer.log`` in the image's folder, each line after the seconds
since Packer's start.
"""

import json
import re
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import sh

from bake.build_instance import BuildInstance, access_variables
from bake.cancellation import Cancellation
from bake.packer import Packer
from bake.spec import BuildSpec
from common.clients import Clients
from common.errors import PipelineError
from common.progress import Say
from common.waiting import Clock

# `==> ray.image: words`, `    ray.image: words`; some versions add the source's type.
LINE = re.compile(r"^(==>)?\s*ray\.(?:amazon-ebs\.)?image: (.*)$")
SCRIPT = re.compile(r"(?<=Provisioning with shell script: ).*?([^/]+)$")
# Packer's next line once a provisioner has failed; what it removes is named after that.
STOPPED = "Provisioning step had errors"
# As long as aws_polling says. Newer versions of the plugin wait 10 minutes for an image otherwise,
# and older ones refuse the option: max_timeout in "Polling Configuration" of the builder's page
# (packer/current/sources.pkr.hcl names it).
WAITS = {"AWS_MAX_TIMEOUT": "2400"}
LAST_WORDS = 5  # lines of a script's output
LAST_LINES = 3  # of Packer's


@dataclass
class RunningScript:
    """The provisioner that runs on a build instance, and the last that it said."""

    name: str
    words: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_WORDS))
    stopped: bool = False

    def __str__(self) -> str:
        return "".join([f"{self.name} failed", *(f"\n    {words}" for words in self.words)])


@dataclass
class OutputHandler:
    """Logs each line of Packer's output, reports progress, and passes it to its build instance.

    ``instance`` is None where Packer sets up its build instance itself; ``began`` is monotonic.
    """

    instance: BuildInstance | None
    log: TextIO
    progress: Say
    errors: list[PipelineError] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    _script: RunningScript | None = None

    def __call__(self, line: str) -> None:
        """Handle one line. Never raises: it is called in the thread that reads Packer's output."""
        print(f"{time.monotonic() - self.began:7.1f} {line}", file=self.log, flush=True)
        self.last.append(line)
        if match := LINE.match(line):
            if match[1]:
                named = SCRIPT.sub(r"\1", match[2])
                self.progress(re.sub(r"/\S*/", "", named).removesuffix("..."))
            self._pass_on(match[2])
            self._follow_script(match[2])
        if " errored" in line:
            self.failures.append(line.strip().removeprefix("==> "))

    def _follow_script(self, words: str) -> None:
        """Keep what the running script says last; it is a failure if Packer stops at it."""
        script = self._script
        if started := SCRIPT.search(words):
            self._script = RunningScript(started[1])
        elif script and words.startswith(STOPPED):
            script.stopped = True
            self.failures.append(str(script))
        elif script and not script.stopped and words.strip():
            script.words.append(words.strip())

    def _pass_on(self, words: str) -> None:
        if self.instance is None:
            return
        try:
            self.instance.handle_output(words)
        except PipelineError as error:
            self.errors.append(error)


def build_image(
    clients: Clients, spec: BuildSpec, clock: Clock, progress: Say, cancellation: Cancellation
) -> str:
    """Build one image and return its AMI id.

    Raises PipelineError when the build fails; by then all that was created for it is removed.
    """
    with ExitStack() as cleanup:
        variables, instance = spec.variables(), None
        if not spec.template.current:
            variables |= cleanup.enter_context(access_variables(clients, spec, clock))
            instance = BuildInstance(clients, clock)
            cleanup.callback(instance.terminate)
        _run_packer(spec, variables, instance, progress, cancellation)
    return ami_id_in(spec.folder / "manifest.json")


def _run_packer(
    spec: BuildSpec,
    variables: dict[str, object],
    instance: BuildInstance | None,
    progress: Say,
    cancellation: Cancellation,
) -> None:
    var_file = spec.folder / "variables.json"
    var_file.write_text(json.dumps(variables, indent=1))
    with (spec.folder / "packer.log").open("w") as log:
        output = OutputHandler(instance, log, progress)
        packer = Packer(
            spec.template.folder,
            var_file=var_file,
            on_line=output,
            environ={"PACKER_CACHE_DIR": str(spec.folder / "packer-cache")} | WAITS,
        )
        try:
            packer.build(cancellation)
        except sh.ErrorReturnCode as error:
            cancellation.check()
            raise _failure(spec, output) from error
    if output.errors:
        raise output.errors[0]


def ami_id_in(manifest: Path) -> str:
    """Return the AMI id from the manifest of Packer's last run."""
    content = json.loads(manifest.read_text())
    (build,) = (
        build for build in content["builds"] if build["packer_run_uuid"] == content["last_run_uuid"]
    )
    return str(build["artifact_id"].partition(":")[2])


def _failure(spec: BuildSpec, output: OutputHandler) -> PipelineError:
    """Return an error that quotes the failed provisioner, or else the end of Packer's output."""
    log = spec.folder / "packer.log"
    lines = output.failures or output.last
    text = "\n  ".join(dict.fromkeys(lines))
    if "Timeout waiting for SSH" in text:
        seconds, place = spec.environment.limits.boot_seconds, spec.image.place
        return PipelineError(
            f"a build instance did not boot: no SSH within {seconds} s\n  {text}",
            hint=f"check the base image {spec.base.ami_id}, {place}.ssh_username, "
            f"network.operator_cidrs and {place}.build_subnet_id; full output: {log}",
        )
    return PipelineError(text, hint=f"full output: {log}")
