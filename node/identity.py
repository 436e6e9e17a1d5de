"""Who this instance is: node.yaml from user data, the rest from the metadata service. No other AWS.

Run once at boot as ``python -m node.identity``: writes /run/ray/identity.json for our own code
and /run/ray/node.env for units and Ray. Fails, with the reason, when the roles in the image and in
node.yaml differ: a worker image told to be a head would otherwise come up half-alive.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import yaml

from node import contract
from node.log import ERROR, WARNING, EventLog, Log

NODE_YAML = Path(contract.NODE_YAML)
IMAGE_JSON = Path(contract.IMAGE_JSON)
RUN = Path(contract.RUN_FOLDER)
METADATA = "http://169.254.169.254/latest"
TAGS = "meta-data/tags/instance"
GROUP_NAME_TAG = "aws:autoscaling:groupName"

Metadata = Callable[[str], "str | None"]


class BadIdentity(Exception):
    """Part of the identity is missing or contradicts the rest."""


class NoMetadata(BadIdentity):
    """The metadata service has no answer; early in a boot it may have one a moment later."""


@dataclass(frozen=True)
class Identity:
    """One instance's place in its cluster; nothing in it is secret."""

    environment: str
    role: str
    head_name: str
    lease_table: str
    secret: str
    metric_namespace: str
    lifecycle_hook: str
    instance_id: str
    address: str
    region: str
    zone: str
    group: str
    node_type: str
    redis: str = ""  # [rediss://]host:port of the Redis that keeps Ray's state; empty: none
    state_secret: str = ""  # of a head with a Redis: the SSM parameter with its password
    rejoin_seconds: str = ""  # the most that a worker waits before it joins a new head
    gpus: str = ""  # of a worker
    resources: str = ""  # of a worker, as JSON: Ray's custom resources
    labels: str = ""  # of a worker's node: key=value,key=value
    rebalance_seconds: str = ""  # how long a spot worker that is at risk may finish its work
    object_store_bytes: str = ""  # of a worker's memory; empty: Ray's own share
    instance_store: str = ""  # what a worker's own NVMe disks are used for
    efs: str = ""  # file systems and where they are mounted: fs-1:/shared,fs-2:/data
    grafana: str = ""  # of a head: the URL of a Grafana
    grafana_in_browser: str = ""  # its URL for browsers, where that is another one
    remote_write: str = ""  # of a head: where Prometheus sends metrics

    @classmethod
    def read(cls, path: Path = RUN / "identity.json") -> "Identity":
        """Return what ray-identity.service wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def environment_file(self) -> str:
        """Return node.env; autoscaler v2 matches nodes to instances by the two RAY_ names."""
        lines = {
            "RAY_CLOUD_INSTANCE_ID": self.instance_id,
            "RAY_NODE_TYPE_NAME": self.node_type,
            "RAYKILN_ENVIRONMENT": self.environment,
            "RAYKILN_ROLE": self.role,
            "RAYKILN_ADDRESS": self.address,
            "RAYKILN_HEAD_NAME": self.head_name,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }
        return "".join(f"{key}={value}\n" for key, value in lines.items())


def find_identity(node_yaml: str, image_json: str, metadata: Metadata) -> Identity:
    """Put the parts together; raises BadIdentity that names what is wrong."""
    config = _parse_config(node_yaml)
    baked = json.loads(image_json).get("role")
    if baked != config["role"]:
        raise BadIdentity(f"this image is a {baked}, but node.yaml says role: {config['role']}")
    placement = required(metadata, "meta-data/placement/availability-zone")
    return Identity(
        **config,
        instance_id=required(metadata, "meta-data/instance-id"),
        address=required(metadata, "meta-data/local-ipv4"),
        region=required(metadata, "meta-data/placement/region"),
        zone=placement,
        group=metadata(f"{TAGS}/{GROUP_NAME_TAG}") or "",
        node_type=_node_type(config["role"], metadata),
    )


def _parse_config(text: str) -> dict[str, str]:
    """Return node.yaml's values; raises BadIdentity that names every key which is missing.

    Keys that only a head has are empty on a worker. Without ``redis`` Ray keeps no state; with it,
    a head needs its password.
    """
    found = yaml.safe_load(text)
    if not isinstance(found, dict):
        raise BadIdentity("node.yaml is not a mapping")
    names = {f.name for f in fields(Identity)} - FROM_METADATA
    role = found.get("role")
    if role not in contract.ROLES:
        raise BadIdentity(f"node.yaml: role is {role!r}, not head or worker")
    needed = names - contract.OPTIONAL_KEYS
    if role == contract.WORKER:
        needed -= contract.HEAD_ONLY_KEYS
    elif found.get(contract.REDIS_KEY):
        needed |= {contract.STATE_SECRET_KEY}
    missing = sorted(name for name in needed if not found.get(name))
    if missing:
        raise BadIdentity(f"node.yaml lacks {', '.join(missing)}")
    return {name: str(found.get(name) or "") for name in names}


FROM_METADATA = {"instance_id", "address", "region", "zone", "group", "node_type"}


def _node_type(role: str, metadata: Metadata) -> str:
    """Return the autoscaler's node type: the head's is fixed, a worker's comes from its tag."""
    if role == contract.HEAD:
        return contract.HEAD_NODE_TYPE
    return required(metadata, f"{TAGS}/{contract.NODE_TYPE_TAG}")


def required(metadata: Metadata, path: str) -> str:
    """Return one value of the metadata service; raises NoMetadata when there is none."""
    value = metadata(path)
    if not value:
        raise NoMetadata(f"the metadata service has no {path}")
    return value


def metadata_service(base: str = METADATA) -> Metadata:
    """Return a reader of IMDSv2.

    PUT returns a token, GETs send it; 404 means that there is no such value:
    docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
    """
    token = _http("PUT", f"{base}/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "300"})
    if token is None:
        raise NoMetadata("the metadata service returned no token: is it disabled?")
    return lambda path: _http("GET", f"{base}/{path}", {"X-aws-ec2-metadata-token": str(token)})


def instance_tag(key: str, base: str = METADATA) -> str | None:
    """Return a tag of this instance as it is now, or None; raises NoMetadata."""
    return metadata_service(base)(f"{TAGS}/{key}")


def _http(method: str, url: str, headers: dict[str, str]) -> str | None:
    request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 (always http)
    # The metadata service is link-local: a proxy from the environment must not see its tokens.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=2) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise NoMetadata(f"the metadata service answered {error.code} to {url}") from error
    except OSError as error:
        raise NoMetadata(f"the metadata service cannot be reached: {error}") from error


def write_identity(identity: Identity, directory: Path = RUN) -> None:
    """Write both files, each completely or not at all."""
    write_whole(directory / "identity.json", json.dumps(asdict(identity), indent=2) + "\n", 0o644)
    write_whole(directory / "node.env", identity.environment_file(), 0o644)


def write_whole(path: Path, text: str, mode: int) -> None:
    """Replace a file by one rename; it never exists with permissions other than ``mode``."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def await_identity(seconds: float, log: Log) -> Identity:
    """Return the identity; retries for so many seconds while the metadata service has no answer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return find_identity(
                NODE_YAML.read_text(encoding="utf-8"),
                IMAGE_JSON.read_text(encoding="utf-8"),
                metadata_service(),
            )
        except NoMetadata as error:
            if time.monotonic() >= deadline:
                raise
            log("no identity yet", level=WARNING, error=error)
            time.sleep(1)


def main() -> int:
    """Write the identity; exit 1 with the reason in the journal."""
    log = EventLog()
    try:
        identity = await_identity(60, log)
    except (BadIdentity, OSError, ValueError, yaml.YAMLError) as error:
        log("no identity", level=ERROR, error=error)
        return 1
    write_identity(identity)
    log("identity written", role=identity.role, type=identity.node_type, id=identity.instance_id)
    return 0


if __name__ == "__main__":
    sys.exit(main())
