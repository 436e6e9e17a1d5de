"""Remove what a killed bake left behind: instances, key pairs, security groups. Changes AWS (EC2).

Everything that a bake creates is tagged with its process. It is removed when that process is known
to be dead, or when it is too old for any running bake to use it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bake.fresh_instance import delete_group, terminate
from bake.owner import TAG, Owner
from common.clients import Clients, translated
from common.waiting import Clock

# No bake takes this long. Whether a bake on another machine has died can be seen by nothing else.
TOO_OLD = timedelta(hours=6)
LIVE_STATES = ["pending", "running", "stopping", "stopped", "shutting-down"]


@dataclass(frozen=True)
class Leftovers:
    """What to remove."""

    instance_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()
    key_names: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """The number of resources of all types."""
        return len(self.instance_ids) + len(self.group_ids) + len(self.key_names)


def find_leftovers(clients: Clients, now: datetime) -> Leftovers:
    """Return what dead bakes left behind.

    Security groups have no date in EC2: they are removed with the instances and key pairs of the
    same owner, or when their owner is known to be dead.
    """
    ours: list[dict[str, object]] = [{"Name": "tag-key", "Values": [TAG]}]
    with translated("looking for leftovers of an earlier bake"):
        ec2 = clients("ec2")
        instances = _instances(ec2, ours)
        keys = ec2.describe_key_pairs(Filters=ours)["KeyPairs"]
        groups = ec2.describe_security_groups(Filters=ours)["SecurityGroups"]
    dated = [(_owner(i), i["LaunchTime"]) for i in instances]
    dated += [(_owner(key), key["CreateTime"]) for key in keys if "CreateTime" in key]
    dead = _dead([*(owner for owner, _ in dated), *map(_owner, groups), *map(_owner, keys)])
    dead |= {owner for owner, since in dated if now - since > TOO_OLD}
    return Leftovers(
        tuple(i["InstanceId"] for i in instances if _owner(i) in dead),
        tuple(group["GroupId"] for group in groups if _owner(group) in dead),
        tuple(key["KeyName"] for key in keys if _owner(key) in dead),
    )


def remove_leftovers(
    clients: Clients, found: Leftovers, clock: Clock, progress: Callable[[str], None]
) -> None:
    """Remove all leftovers, instances first: a security group in use cannot be deleted."""
    if not found.count:
        return
    progress(f"removing {found.count} leftovers of a killed bake")
    with translated("removing leftovers of an earlier bake"):
        terminate(clients, found.instance_ids, clock)
        for key_name in found.key_names:
            clients("ec2").delete_key_pair(KeyName=key_name)
        for group_id in found.group_ids:
            delete_group(clients, group_id, clock)


def _instances(ec2: Any, ours: list[dict[str, object]]) -> list[dict[str, Any]]:
    filters = [*ours, {"Name": "instance-state-name", "Values": LIVE_STATES}]
    answer = ec2.describe_instances(Filters=filters)
    return [i for reservation in answer["Reservations"] for i in reservation["Instances"]]


def _owner(entry: dict[str, Any]) -> str:
    return str(next(tag["Value"] for tag in entry["Tags"] if tag["Key"] == TAG))


def _dead(names: Iterable[str]) -> set[str]:
    owners = ((name, Owner.parse(name)) for name in set(names))
    return {name for name, owner in owners if owner and owner.is_known_dead()}
