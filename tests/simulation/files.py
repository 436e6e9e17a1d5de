"""The files of a simulated machine: node.yaml from its user data, /etc/hosts, the token."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from localcloud import instance_facts
from localcloud.account import ec2_backend
from node.contract import OWN_PASSWORD, SECRET_KEY, STATE_SECRET_KEY, VERSION
from node.identity import NODE_YAML, Identity, find_identity
from node.ray.launches import Launches
from node.worker.hosts import point_name
from tests.simulation.machine import Machine


def node_yaml(instance: Any) -> str | None:
    """Return what cloud-init would write from the user data; None without a node.yaml."""
    config = yaml.safe_load(instance_facts.user_data(instance)) or {}
    for entry in config.get("write_files", []):
        if entry["path"] == str(NODE_YAML):
            return str(entry["content"])
    return None


def identity_of(instance: Any, text: str) -> Identity:
    """Return the node's identity, as node/identity.py finds it; raises BadIdentity.

    A head's image from before a Redis had its own password takes Ray's token for it.
    """
    tags = ec2_backend().tags[instance.image_id]
    if int(tags.get("raykiln:contract", VERSION)) < OWN_PASSWORD:
        told = yaml.safe_load(text)
        text = yaml.safe_dump(told | {STATE_SECRET_KEY: told[SECRET_KEY]})
    facts = instance_facts.facts(instance)
    image = json.dumps({"role": tags.get("raykiln:role", "")})
    return find_identity(text, image, lambda path: facts.get(path.removeprefix("meta-data/")))


def tag_reader(instance_id: str) -> Callable[[str], str | None]:
    """Return a reader of an instance's tags, as in the metadata service."""
    instance = ec2_backend().get_instance(instance_id)
    return lambda key: instance_facts.tags_of(instance).get(f"tags/instance/{key}")


class Files:
    """The files of one machine that node code reads and writes."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        machine.folder.mkdir(exist_ok=True)
        if not self.hosts.exists():
            self.hosts.write_text("127.0.0.1 localhost\n")

    @property
    def token(self) -> Path:
        """Ray's token."""
        return self._machine.folder / "token"

    @property
    def redis_password(self) -> Path:
        """The password of the Redis that keeps Ray's state."""
        return self._machine.folder / "redis_password"

    @property
    def autoscaler(self) -> Path:
        """The autoscaler's YAML."""
        return self._machine.folder / "autoscaler.yaml"

    @property
    def launches(self) -> Launches:
        """What the autoscaler could not launch."""
        return Launches(self._machine.folder / "launches.json")

    @property
    def hosts(self) -> Path:
        """/etc/hosts."""
        return self._machine.folder / "hosts"

    def read_token(self) -> str:
        """Return the token, or nothing before it was fetched."""
        return _text(self.token).strip()

    def read_redis_password(self) -> str:
        """Return the password, or nothing where it was not fetched."""
        return _text(self.redis_password).strip()

    def point(self, name: str, address: str) -> bool:
        """Have a name resolve to an address, with node/worker/hosts.py."""
        return point_name(name, address, self.hosts)

    def resolve(self, name: str) -> str | None:
        """Return the address that /etc/hosts gives a name."""
        for line in _text(self.hosts).splitlines():
            address, *names = line.partition("#")[0].split()
            if name in names:
                return address
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
