"""How many instances a group has, and which one is terminated when it has too many.

Follows
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html
(the zone with the most instances first; then the policies in their order) and
ec2-auto-scaling-instance-protection.html. moto launches and terminates in the call that changes
the number.
"""

from typing import Any

from localcloud.patches.autoscaling.launching import launch
from localcloud.patches.autoscaling.lifecycle import terminate
from localcloud.patches.autoscaling.records import Member, members, record, suspended
from localcloud.times import stamp


def scale(group: Any, now: float) -> None:
    """Launch what is missing, terminate what is surplus."""
    counted = [member for member in members(group) if member.counts]
    difference = int(group.desired_capacity) - len(counted)
    if difference > 0:
        _scale_out(group, difference, now)
    elif difference < 0:
        _scale_in(group, counted, -difference, now)
    elif not record(group).replacements_due:
        record(group).capacity_cause = ""


def _scale_out(group: Any, missing: int, now: float) -> None:
    if suspended(group, "Launch") or now < record(group).retry_at:
        return
    for _ in range(missing):
        if not launch(group, _launch_cause(group, now)):
            return
        kept = record(group)
        kept.replacements_due = max(0, kept.replacements_due - 1)


def _launch_cause(group: Any, now: float) -> str:
    kept = record(group)
    if kept.replacements_due:
        return (
            f"At {stamp(now)} an instance was launched in response to "
            "an unhealthy instance needing to be replaced."
        )
    counted = sum(member.counts for member in members(group))
    return (
        f"{kept.capacity_cause}At {stamp(now)} an instance was started in response to a difference "
        f"between desired and actual capacity, increasing the capacity from {counted} to "
        f"{counted + 1}."
    )


def _scale_in(group: Any, counted: list[Member], surplus: int, now: float) -> None:
    if suspended(group, "Terminate"):
        return
    left = len(counted)
    for member in chosen_to_terminate(group, counted, surplus):
        time = stamp(now)
        terminate(
            member,
            f"{record(group).capacity_cause}At {time} an instance was taken out of service in "
            "response to a difference between desired and actual capacity, shrinking the capacity "
            f"from {left} to {left - 1}.  At {time} instance {member.instance_id} was selected for "
            "termination.",
        )
        left -= 1


def chosen_to_terminate(group: Any, counted: list[Member], surplus: int) -> list[Member]:
    """Return the members to terminate, zone by zone; protected ones stay."""
    left, chosen = list(counted), []
    for _ in range(surplus):
        free = [member for member in left if not member.protected_from_scale_in]
        if not free:
            break
        by_zone = {m.availability_zone: 0 for m in free}
        for member in left:
            if member.availability_zone in by_zone:
                by_zone[member.availability_zone] += 1
        zone = max(by_zone, key=lambda name: by_zone[name])
        in_zone = [member for member in free if member.availability_zone == zone]
        chosen.append(min(in_zone, key=lambda member: _rank(group, member)))
        left.remove(chosen[-1])
    return chosen


def _rank(group: Any, member: Member) -> tuple[float, ...]:
    """The lowest is terminated first."""
    launched = member.instance.launch_time.timestamp()
    version = int((member.launch_template or {}).get("Version", "0"))
    order = members(group).index(member)
    ranks: dict[str, tuple[float, ...]] = {
        "OldestInstance": (launched, order),
        "NewestInstance": (-launched, -order),
        "OldestLaunchTemplate": (version,),
        "Default": (version, launched, order),
    }
    policies = [policy for policy in group.termination_policies if policy in ranks]
    return tuple(value for policy in [*policies, "Default"] for value in ranks[policy])
