"""Mount what a node should have before Ray starts. ``python -m node.storage.main`` in
ray-storage.service. Reads the metadata service; changes disks, /run and systemd.

Reads node.yaml itself, which only root can change: this runs as root.
"""

import os
import pwd
import sys
from pathlib import Path

import yaml

from node import contract
from node.identity import NODE_YAML, BadIdentity, metadata_service, required
from node.log import ERROR, EventLog, Log
from node.storage.disks import DiskError, find_disks, make_file_system
from node.storage.mounts import Mount, MountError, efs_mount, require, start, write_units

INSTANCE_STORE = Path(contract.INSTANCE_STORE)
USER = "ray"


def instance_store(log: Log) -> Mount:
    """Make a file system of the instance's own disks and return how it is mounted."""
    made = make_file_system(find_disks())
    log("instance store made", kind=made.kind, disks=len(made.devices))
    return Mount(str(made.devices[0]), str(INSTANCE_STORE), made.kind, made.options)


def file_systems(asked: str) -> list[Mount]:
    """Return how the file systems of node.yaml are mounted."""
    if not asked:
        return []
    metadata = metadata_service()
    region = required(metadata, "meta-data/placement/region")
    domain = required(metadata, "meta-data/services/domain")
    pairs = (one.split(":", 1) for one in asked.split(","))
    return [efs_mount(name, where, region=region, domain=domain) for name, where in pairs]


def give_to_ray(folder: Path) -> None:
    """Make a folder that of the user ray; its group, which is the log shipper's too, may read."""
    user = pwd.getpwnam(USER)
    os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o750)


def mount_all(config: dict[str, str], log: Log) -> None:
    """Mount what node.yaml asks for; what is mounted already stays as it is."""
    spill = config.get(contract.INSTANCE_STORE_KEY) == contract.SPILL
    mounts = file_systems(config.get(contract.EFS_KEY, ""))
    places = [*([str(INSTANCE_STORE)] if spill else []), *(mount.where for mount in mounts)]
    if spill and not INSTANCE_STORE.is_mount():
        mounts.insert(0, instance_store(log))
    units = write_units(mounts)
    require(places, f"ray-{config[contract.ROLE_KEY]}")
    for unit in units:
        start(unit, log)
        log("mounted", unit=unit)
    if spill:
        give_to_ray(INSTANCE_STORE)


def main() -> int:
    """Mount everything; exit 1 with the reason in the journal."""
    config = yaml.safe_load(NODE_YAML.read_text(encoding="utf-8"))
    log = EventLog(file=Path(contract.BOOTSTRAP_LOGS[config[contract.ROLE_KEY]]))
    try:
        mount_all(config, log)
    except (DiskError, MountError, BadIdentity, OSError, KeyError) as error:
        log("Ray does not start without its file systems", level=ERROR, why=error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
