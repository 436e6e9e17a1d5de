"""Build AMIs from a base image with Packer: variables in, AMI ids out. Reads and changes AWS.

Packer's full output is kept in ``packer.log`` in the bake's folder.
"""

import json
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import sh

from bake.base_image import BaseImage
from bake.build_instance import BuildInstance
from bake.files import ROLES
from bake.owner import Owner
from bake.packer import Packer, prepare_template
from bake.subnet import Subnet
from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError

# `==> ray.head: words`, `    ray.head: words`; some versions add the source's type.
LINE = re.compile(r"^(==>)?\s*ray\.(?:amazon-ebs\.)?(head|worker): (.*)$")
SCRIPT = re.compile(r"Provisioning with shell script: \S*?([^/\s]+)$")
# Packer's next line once a provisioner has failed; what it removes is named after that.
STOPPED = "Provisioning step had errors"
LAST_WORDS = 5  # lines of a script's output


@dataclass(frozen=True)
class BuildSpec:
    """What to build from what, and where the files of the bake go.

    ``source`` holds a copy of the shaping files; ``digests`` are computed from that copy.
    """

    environment: Environment
    base: BaseImage
    subnet: Subnet
    source: Path
    digests: dict[str, str]
    wheelhouse: Path
    ray_version: str
    git: str
    built: str
    owner: Owner
    folder: Path

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles to build, in the order of ROLES."""
        return tuple(role for role in ROLES if role in self.digests)

    @property
    def stamp(self) -> str:
        """The time of the bake as digits; makes names unique."""
        return re.sub(r"\D", "", self.built)

    def variables(self) -> dict[str, object]:
        """Return a value for each variable of packer/variables.pkr.hcl."""
        settings = self.environment.image
        return {
            "repository": str(self.source),
            "wheels": str(self.wheelhouse / "wheels"),
            "requirements": str(self.wheelhouse / "requirements.txt"),
            "output": str(self.folder),
            "region": self.environment.region,
            "source_ami": self.base.ami_id,
            "root_device": self.base.root_device,
            "instance_type": settings.build_instance_type,
            "subnet_id": self.subnet.subnet_id,
            "source_cidrs": [str(cidr) for cidr in self.environment.network.operator_cidrs],
            "ssh_username": settings.ssh_username,
            "ssh_timeout": f"{self.environment.limits.boot_seconds}s",
            "volume_gib": settings.volume_gib,
            "encrypted": settings.encrypted,
            "python": settings.python,
            "ray_version": self.ray_version,
            "ssm_agent_required": settings.ssm_agent_required,
            "bake_id": str(self.owner),
            "stamp": self.stamp,
            "built": self.built,
            "git": self.git,
            "head_digest": self.digests.get("head", ""),
            "worker_digest": self.digests.get("worker", ""),
            "tags": self.environment.tags,
        }


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
    """Logs each line of Packer's output, reports progress, and passes it to its build instance."""

    instances: dict[str, BuildInstance]
    log: TextIO
    progress: Callable[[str], None]
    errors: list[PipelineError] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _scripts: dict[str, RunningScript] = field(default_factory=dict)
    _steps: dict[str, str] = field(default_factory=dict)

    def __call__(self, line: str) -> None:
        """Handle one line. Never raises: it is called in the thread that reads Packer's output."""
        print(line, file=self.log, flush=True)
        if match := LINE.match(line):
            if match[1]:
                self._report_step(match[2], match[3])
            self._pass_on(match[2], match[3])
            self._follow_script(match[2], match[3])
        if " errored" in line:
            self.failures.append(line.strip().removeprefix("==> "))

    def _follow_script(self, role: str, words: str) -> None:
        """Keep what the running script says last; it is a failure if Packer stops at it."""
        script = self._scripts.get(role)
        if started := SCRIPT.search(words):
            self._scripts[role] = RunningScript(started[1])
        elif script and words.startswith(STOPPED):
            script.stopped = True
            self.failures.append(f"{role}: {script}")
        elif script and not script.stopped and words.strip():
            script.words.append(words.strip())

    def _pass_on(self, role: str, words: str) -> None:
        try:
            self.instances[role].handle_output(words)
        except PipelineError as error:
            self.errors.append(error)

    def _report_step(self, role: str, words: str) -> None:
        self._steps[role] = re.sub(r"/\S*/", "", words).removesuffix("...")
        self.progress(" · ".join(f"{role}: {step}" for role, step in self._steps.items()))


def build_images(
    clients: Clients, spec: BuildSpec, progress: Callable[[str], None]
) -> dict[str, str]:
    """Build all roles of ``spec`` in parallel and return the AMI id of each.

    Raises PipelineError when a build fails; by then Packer has removed what it created.
    """
    var_file = spec.folder / "variables.json"
    var_file.write_text(json.dumps(spec.variables(), indent=1))
    with (spec.folder / "packer.log").open("w") as log:
        instances = {role: BuildInstance(clients, spec.owner) for role in spec.roles}
        output = OutputHandler(instances, log, progress)
        packer = Packer(
            prepare_template(spec.folder / "template", spec.source),
            var_file=var_file,
            only=[f"ray.amazon-ebs.{role}" for role in spec.roles],
            on_line=output,
            environ={"PACKER_CACHE_DIR": str(spec.folder / "packer-cache")},
        )
        try:
            packer.build()
        except sh.ErrorReturnCode as error:
            raise _failure(spec, output) from error
    if output.errors:
        raise output.errors[0]
    return ami_ids_in(spec.folder / "manifest.json")


def ami_ids_in(manifest: Path) -> dict[str, str]:
    """Return the AMI id of each role from the manifest of Packer's last run.

    The manifest names every build after the template's source, so the role is in its custom data.
    """
    content = json.loads(manifest.read_text())
    return {
        build["custom_data"]["role"]: build["artifact_id"].partition(":")[2]
        for build in content["builds"]
        if build["packer_run_uuid"] == content["last_run_uuid"]
    }


def _failure(spec: BuildSpec, output: OutputHandler) -> PipelineError:
    """Return an error that quotes the failed provisioner, or else the end of Packer's output."""
    log = spec.folder / "packer.log"
    lines = output.failures or log.read_text().splitlines()[-3:]
    text = "\n  ".join(dict.fromkeys(lines))
    if "Timeout waiting for SSH" in text:
        seconds = spec.environment.limits.boot_seconds
        return PipelineError(
            f"a build instance did not boot: no SSH within {seconds} s\n  {text}",
            hint=f"check the base image {spec.base.ami_id}, image.ssh_username, "
            f"network.operator_cidrs and image.build_subnet_id; full output: {log}",
        )
    return PipelineError(f"the bake failed\n  {text}", hint=f"full output: {log}")
