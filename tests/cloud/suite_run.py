"""One run of the suite: an environment of its own, derived from one of a person's. No AWS.

All that it creates has the run's name in its own, or the tag ``test-run`` with its id: no other
cluster is touched, and it can be found and deleted whatever became of the run.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.environment import Environment, environment_from, load_environment
from deploy.account.desired_account import boundary_arn

TAG = "test-run"
# Of the command `test --env`: the environment's file, and the run's id.
ENV, ID = "RAYKILN_TEST_ENV", "RAYKILN_TEST_RUN"
# Of [image]: what its base is, and how it is built. What a person adds to it stays theirs.
BASE = {
    *("base_id", "base_name", "base_owner", "architecture", "python", "ssh_username"),
    *("build_instance_type", "build_subnet_id", "volume_gib", "encrypted", "ssm_agent_required"),
}
# Of [nodes]: what the account or its network demands. Data that a person lets nodes reach stays
# theirs.
DEMANDED = ("kms_key", "egress")
MOST_WORKERS = 3
ROLLOUT = {"drain_seconds": 30, "watch_seconds": 10}


@dataclass(frozen=True)
class SuiteRun:
    """A run, by its id, in the account and the network of the environment ``base``."""

    base: Environment
    id: str

    @property
    def name(self) -> str:
        """The name of the run's environment; that of its images too, which no other one uses."""
        return f"t-{self.id}"

    @property
    def is_local(self) -> bool:
        """It runs on a local cloud of its own."""
        return self.base.provider == "localcloud"

    def environment(self) -> Environment:
        """Return the run's environment."""
        return environment_from(self.content(), Path(f"{self.name}.toml"))

    def content(self, **tables: dict[str, Any]) -> dict[str, Any]:
        """Return the environment's file as data; ``tables`` come in place of its own."""
        base, (group, *_) = self.base, self.base.workers.values()
        given = base.model_dump(mode="json", exclude_unset=True)
        image = base.image_named(base.head.image).model_dump(mode="json", exclude_unset=True)
        own: dict[str, Any] = {
            **{key: given[key] for key in ("region", "account_id", "provider") if key in given},
            "network": given["network"],
            "image": {key: value for key, value in image.items() if key in BASE},
            "images": {self.name: {}},
            "head": {"instance_type": base.head.instance_type, "image": self.name},
            "workers": self.group(group.instance_types[0]),
            "nodes": self.nodes(given.get("nodes", {})),
            "account": {"old_packer": base.account.old_packer},
            "dns": {"zone": f"{self.name}.internal"},
            "limits": given.get("limits", {}),
            "rollout": ROLLOUT,
            "tags": {**base.tags, TAG: self.id},
        }
        return own | tables

    def nodes(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the table of what all nodes have; a boundary of the base's own is the run's own.

        Security groups are those of a network: one that is created for the run has none of them.
        """
        network = ("security_group_ids",) if self.base.network.vpc_id else ()
        own = {"", boundary_arn(self.base)}
        boundary = self.base.nodes.permissions_boundary
        return {
            **{key: given[key] for key in (*DEMANDED, *network) if key in given},
            "permissions_boundary": boundary_arn(self._named()) if boundary in own else boundary,
        }

    def group(self, instance_type: str) -> dict[str, Any]:
        """Return the table of the one group of workers."""
        return {
            "instance_type": instance_type,
            "image": self.name,
            "min": 1,
            "max": MOST_WORKERS,
        }

    def write(self, folder: Path, **tables: dict[str, Any]) -> str:
        """Write the environment's file into a folder; return what ``--env`` takes."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.name}.toml"
        lines = [f"{key} = {toml(value)}\n" for key, value in self.content(**tables).items()]
        file.write_text("".join(lines))
        return str(file.with_suffix(""))

    def _named(self) -> Environment:
        return self.base.model_copy(update={"name": self.name})


def toml(value: Any) -> str:
    """Return a value as TOML: a table is an inline table."""
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {toml(one)}" for key, one in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml(one) for one in value)}]"
    return json.dumps(value, ensure_ascii=False)


def base_environment() -> Environment:
    """Return the environment that the tests are pointed at: the local cloud's unless told."""
    return load_environment(os.environ.get(ENV, "local"))


def is_local() -> bool:
    """Say whether the tests have a local cloud's own means, such as its machines."""
    return base_environment().provider == "localcloud"
