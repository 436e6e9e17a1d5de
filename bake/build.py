"""Turn a base image into AMIs with Packer: variables in, AMI ids out. Reads and changes AWS.

Everything that Packer says is kept in ``packer.log`` in the bake's folder.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import sh

from bake.base_image import BaseImage
from bake.build_machines import BuildMachine
from bake.files import ROLES
from bake.owner import Owner
from bake.packer import Packer, lay_template
from bake.subnet import Subnet
from common.clients import Clients
from common.environment import Environment
from common.errors import PipelineError

# `==> ray.head: words`, `    ray.head: words`; some versions put the source's type between.
LINE = re.compile(r"^(==>)?\s*ray\.(?:amazon-ebs\.)?(head|worker): (.*)$")


@dataclass(frozen=True)
class Recipe:
    """One bake: what to build from what, and where its files go.

    ``source`` holds the copy of the shaping files that ``digests`` are of.
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
        """The moment of the bake as digits; makes names unique."""
        return re.sub(r"\D", "", self.built)

    def variables(self) -> dict[str, object]:
        """Return packer/variables.pkr.hcl's values."""
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
class Listener:
    """Reads Packer's lines: keeps them, tells progress, and lets each machine hear its own."""

    machines: dict[str, BuildMachine]
    log: TextIO
    progress: Callable[[str], None]
    faults: list[PipelineError] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _words: dict[str, str] = field(default_factory=dict)

    def __call__(self, line: str) -> None:
        """Take one line; called in the thread that reads Packer, so nothing may be raised here."""
        print(line, file=self.log, flush=True)
        if match := LINE.match(line):
            self._tell(bool(match[1]), match[2], match[3])
            self._hear(match[2], match[3])
        if "FAILED " in line or " errored" in line:
            self.failures.append(line.strip().removeprefix("==> "))

    def _hear(self, role: str, words: str) -> None:
        try:
            self.machines[role].hear(words)
        except PipelineError as error:
            self.faults.append(error)

    def _tell(self, is_step: bool, role: str, words: str) -> None:
        if is_step:
            self._words[role] = re.sub(r"/\S*/", "", words).removesuffix("...")
            self.progress(" · ".join(f"{role}: {self._words[role]}" for role in self._words))


def build_images(
    clients: Clients, recipe: Recipe, progress: Callable[[str], None]
) -> dict[str, str]:
    """Build the recipe's roles in parallel and return the AMI's id for each.

    Raises PipelineError when a build fails; Packer has then ended what it started.
    """
    var_file = recipe.folder / "variables.json"
    var_file.write_text(json.dumps(recipe.variables(), indent=1))
    with (recipe.folder / "packer.log").open("w") as log:
        machines = {role: BuildMachine(clients, recipe.owner) for role in recipe.roles}
        listener = Listener(machines, log, progress)
        run = Packer(
            lay_template(recipe.folder / "template", recipe.source),
            var_file=var_file,
            only=[f"ray.amazon-ebs.{role}" for role in recipe.roles],
            on_line=listener,
            environ={"PACKER_CACHE_DIR": str(recipe.folder / "packer-cache")},
        )
        try:
            run.build()
        except sh.ErrorReturnCode as error:
            raise _failure(recipe, listener) from error
    if listener.faults:
        raise listener.faults[0]
    return built_images(recipe.folder / "manifest.json")


def built_images(manifest: Path) -> dict[str, str]:
    """Return each role's AMI id from the manifest of Packer's last run.

    The manifest names every build after the template's source, so the role is in its custom data.
    """
    content = json.loads(manifest.read_text())
    return {
        build["custom_data"]["role"]: build["artifact_id"].partition(":")[2]
        for build in content["builds"]
        if build["packer_run_uuid"] == content["last_run_uuid"]
    }


def _failure(recipe: Recipe, listener: Listener) -> PipelineError:
    """Say what failed in the words of the provisioner, or else of Packer."""
    log = recipe.folder / "packer.log"
    said = listener.failures or log.read_text().splitlines()[-3:]
    text = "\n  ".join(dict.fromkeys(said))
    if "Timeout waiting for SSH" in text:
        seconds = recipe.environment.limits.boot_seconds
        return PipelineError(
            f"a build machine did not boot: no SSH within {seconds} s\n  {text}",
            hint=f"check the base image {recipe.base.ami_id}, image.ssh_username, "
            f"network.operator_cidrs and image.build_subnet_id; all that was said: {log}",
        )
    return PipelineError(f"the bake failed\n  {text}", hint=f"all that was said: {log}")
