"""The differences between two releases in plain words. Pure: no AWS."""

IMAGE = {"ami_id": "image", "digest": "image's content", "ray_version": "Ray"}
DIGEST = 12  # digits shown
# Keys of a group, of a head and of both together, where AWS's or Ray's own name says more.
WORDS = {
    "cpus": "vCPUs",
    "gpus": "GPUs",
    "idle_timeout_minutes": "idle timeout in minutes",
    "rebalance_seconds": "drain at a rebalance recommendation in seconds",
    "object_store_gib": "object store in GiB",
    "placement": "placement group",
    "efa_interfaces": "interfaces with EFA",
    "capacity_reservation_id": "capacity reservation",
    "volume.gib": "volume in GiB",
    "volume.iops": "IOPS of the volume",
    "volume.throughput": "throughput of the volume in MiB/s",
    "volume.initialization_rate": "initialization of the volume in MiB/s",
    "access.policy_arns": "policies",
    "access.s3_read": "S3 objects to read",
    "access.s3_write": "S3 objects to write",
    "access.security_group_ids": "security groups",
    "access.egress": "egress",
    "kms_key": "KMS key",
    "runs_documents": "the document pipeline",
}
NONE = {"", "None"}
# What no value, or 0, stands for.
DEFAULTS = {
    "zones": {"": "all"},
    "rebalance_seconds": {"0": "none"},
    "object_store_gib": {"0": "Ray's own share"},
    "volume.iops": {"0": "gp3's own"},
    "volume.throughput": {"0": "gp3's own"},
    "volume.initialization_rate": {"0": "EBS's own"},
    "efa_interfaces": {"0": "none"},
    "runs_documents": {"False": "none", "True": "runs here"},
}


def readable(difference: str) -> str:
    """Return one of a plan's differences (deploy/release/release.py) in plain words."""
    key, _, change = difference.partition(": ")
    part, _, name = key.partition(".")
    if part == "groups":
        group, _, name = name.partition(".")
        return _of_group(group, name, change)
    if part == "settings":
        return _of_settings(name, change)
    return _of_image(part, name, change)


def _of_group(group: str, name: str, change: str) -> str:
    if not name:
        return f"group {group}: {_changed(name, change)}"
    if name.startswith("image."):
        return _of_image(group, name.removeprefix("image."), change)
    return f"group {group}, {_named(name)}: {_changed(name, change)}"


def _of_settings(name: str, change: str) -> str:
    if name.startswith("tags."):
        return f"tag {name.removeprefix('tags.')}: {_changed(name, change)}"
    for table in ("volume.", "access."):
        if name.startswith(f"head_{table}"):
            own = name.removeprefix("head_")
            return f"head, {_named(own)}: {_changed(own, change)}"
    return f"{_named(name)}: {_changed(name, change)}"


def _of_image(whose: str, name: str, change: str) -> str:
    if name == "digest":
        change = " → ".join(digest[:DIGEST] for digest in change.split(" → "))
    return f"{whose} {IMAGE.get(name, name.replace('_', ' '))}: {change}"


def _named(name: str) -> str:
    """Return a key in words; resources, labels and file systems have names of their own."""
    for table, word in (("resources.", "resource"), ("labels.", "label"), ("access.efs.", "EFS")):
        if name.startswith(table):
            return f"{word} {name.removeprefix(table)}"
    return WORDS.get(name, name.replace("_", " "))


def _changed(name: str, change: str) -> str:
    defaults = DEFAULTS.get(name, {})
    return " → ".join(
        defaults.get(value, "none" if value in NONE else value) for value in change.split(" → ")
    )
