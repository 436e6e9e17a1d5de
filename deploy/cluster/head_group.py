"""The Auto Scaling group of the heads: its current settings and members. Reads AWS only.

The group launches and replaces heads, and waits until each reports that it is ready (the lifecycle
hook); only the head lease decides which of its instances leads.
"""

from dataclasses import dataclass, fields
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated

# Otherwise the group would terminate the leader to balance zones; launches are spread anyway.
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html
SUSPENDED = ("AZRebalance",)
# The metrics that the alarm head-launch compares.
METRICS = ("GroupDesiredCapacity", "GroupInServiceInstances")
TAGS = ("tags", "former_tag_keys")  # compared one by one
LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"


@dataclass(frozen=True)
class Hook:
    """The lifecycle hook: every new head waits in it until it reports ready or times out."""

    name: str
    timeout_seconds: int
    default: str = "ABANDON"

    def __str__(self) -> str:
        return (
            f"{self.name} ({self.timeout_seconds} s, then {self.default})" if self.name else "none"
        )


NO_HOOK = Hook("", 0)


@dataclass(frozen=True)
class GroupSettings:
    """The settings of the group that are ours."""

    template_id: str
    template_version: int
    min_size: int
    desired: int
    max_size: int
    subnet_ids: tuple[str, ...]
    target_group_arns: tuple[str, ...]
    grace_seconds: int
    tags: tuple[tuple[str, str], ...]
    hook: Hook
    health_check: str = "EC2"
    metrics: bool = True
    # Instances are terminated only by id: scaling in might choose the leader.
    protected: bool = True
    suspended: tuple[str, ...] = SUSPENDED
    # Of tags that the environment once had: they are removed. All other tags are those of others.
    former_tag_keys: tuple[str, ...] = ()

    def own_tags(self, found: "GroupSettings") -> dict[str, str]:
        """Return the tags of ``found`` without those of others."""
        own = {*dict(self.tags), *self.former_tag_keys}
        return {key: value for key, value in found.tags if key in own}


@dataclass(frozen=True)
class Member:
    """One instance of the group, with the group's view of it."""

    instance_id: str
    state: str
    template_version: int
    healthy: bool

    @property
    def serves(self) -> bool:
        """It is in service."""
        return self.state == "InService"

    @property
    def is_terminating(self) -> bool:
        """It is being terminated."""
        return self.state.startswith("Terminat")


@dataclass(frozen=True)
class HeadGroup:
    """The group's current state."""

    name: str
    settings: GroupSettings
    members: tuple[Member, ...]
    being_deleted: bool

    @property
    def living(self) -> tuple[Member, ...]:
        """Return the members that are not being terminated."""
        return tuple(member for member in self.members if not member.is_terminating)

    @property
    def serving(self) -> tuple[Member, ...]:
        """Return the members that are in service."""
        return tuple(member for member in self.members if member.serves)

    @property
    def is_paused(self) -> bool:
        """No head is to be there."""
        return self.settings.desired == 0 and not self.living

    def fresh(self, version: int | None) -> tuple[Member, ...]:
        """Return the living members of this template version."""
        return tuple(m for m in self.living if m.template_version == version)

    def stale(self, version: int | None) -> tuple[Member, ...]:
        """Return the living members of any other version."""
        return tuple(m for m in self.living if m.template_version != version)


def find_group(clients: Clients, name: str, hook: str) -> HeadGroup | None:
    """Return the group with the hook of that name; None when there is no group."""
    with translated(f"reading the group {name}"):
        scaling = clients("autoscaling")
        found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        if not found["AutoScalingGroups"]:
            return None
        hooks = _hooks(scaling, name)
    group = found["AutoScalingGroups"][0]
    return HeadGroup(
        name=name,
        settings=_settings(group, next((h for h in hooks if h["LifecycleHookName"] == hook), None)),
        members=tuple(_member(entry) for entry in group.get("Instances", [])),
        being_deleted=bool(group.get("Status")),
    )


def has_no_heads(clients: Clients, name: str) -> bool:
    """Say whether there is the group, with no head and to have none: what a data scientist sees."""
    with translated(f"reading the group {name}"):
        found = clients("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    return any(
        group["DesiredCapacity"] == 0 and not group.get("Instances")
        for group in found["AutoScalingGroups"]
    )


def room_for(group: HeadGroup, count: int, version: int | None, *, launch_first: bool) -> int:
    """Return the group's desired capacity on the way to ``count`` heads of ``version``.

    With ``launch_first`` each head in service gets a successor beside it. The number never falls
    below the heads that exist: surplus heads are terminated by id.
    """
    stale = sum(member.serves for member in group.stale(version)) if launch_first else 0
    return min(max(count + min(stale, count), len(group.living)), most_heads(count))


def unwanted(group: HeadGroup, count: int, version: int | None, leader: str) -> tuple[Member, ...]:
    """Return the stale heads that go first: those that were never in service, and those without
    which there is no room for ``count`` heads of ``version``. Not the leader, while any head is in
    service, and of its version last: a deployer may have stopped with heads of a third version in
    service.
    """
    kept = leader if group.serving else ""
    others = [member for member in group.stale(version) if member.instance_id != kept]
    never = [member for member in others if not member.serves]
    missing = max(count - len(group.fresh(version)), 0)
    room = most_heads(count) - (len(group.living) - len(never))
    versions = {member.instance_id: member.template_version for member in group.members}
    serving = [member for member in others if member.serves]
    serving.sort(key=lambda member: member.template_version == versions.get(leader))
    return (*never, *serving[: max(missing - room, 0) if missing else 0])


def most_heads(count: int, *, launch_first: bool = True) -> int:
    """Return how many heads there may be while ``count`` are replaced: each with its successor."""
    return 2 * count if launch_first else count


def group_changes(desired: GroupSettings, found: GroupSettings | None) -> tuple[str, ...]:
    """Describe what differs; empty when nothing does."""
    if found is None:
        return (f"{desired.desired} head{'s' if desired.desired > 1 else ''}",)
    names = [field.name for field in fields(GroupSettings) if field.name not in TAGS]
    pairs = {name: (getattr(found, name), getattr(desired, name)) for name in names}
    old, new = desired.own_tags(found), dict(desired.tags)
    pairs |= {f"tag {key}": (old.get(key, ()), new.get(key, ())) for key in sorted({*old, *new})}
    return tuple(
        f"{name.replace('_', ' ')}: {_words(before)} → {_words(after)}"
        for name, (before, after) in pairs.items()
        if before != after
    )


def is_no_group(error: ClientError) -> bool:
    """Say whether the error means that there is no such group; AWS has no code for it."""
    return error_code(error) == "ValidationError" and "not found" in str(error)


def _hooks(scaling: Any, name: str) -> list[dict[str, Any]]:
    """Return the group's hooks; none when the group was deleted meanwhile."""
    try:
        answer = scaling.describe_lifecycle_hooks(AutoScalingGroupName=name)
    except ClientError as error:
        if is_no_group(error):
            return []
        raise
    found: list[dict[str, Any]] = answer["LifecycleHooks"]
    return found


def _settings(group: dict[str, Any], hook: dict[str, Any] | None) -> GroupSettings:
    template = group.get("LaunchTemplate", {})
    return GroupSettings(
        template_id=template.get("LaunchTemplateId", ""),
        template_version=_number(template.get("Version")),
        min_size=int(group["MinSize"]),
        desired=int(group["DesiredCapacity"]),
        max_size=int(group["MaxSize"]),
        subnet_ids=tuple(sorted(filter(None, group.get("VPCZoneIdentifier", "").split(",")))),
        target_group_arns=tuple(sorted(group.get("TargetGroupARNs", []))),
        grace_seconds=int(group.get("HealthCheckGracePeriod", 0)),
        tags=tuple(sorted((tag["Key"], tag["Value"]) for tag in group.get("Tags", []))),
        hook=_found_hook(hook),
        health_check=group.get("HealthCheckType", ""),
        protected=bool(group.get("NewInstancesProtectedFromScaleIn")),
        metrics=set(METRICS) <= {m["Metric"] for m in group.get("EnabledMetrics", [])},
        suspended=tuple(sorted(p["ProcessName"] for p in group.get("SuspendedProcesses", []))),
    )


def _found_hook(hook: dict[str, Any] | None) -> Hook:
    if hook is None or hook["LifecycleTransition"] != LAUNCHING:
        return NO_HOOK
    return Hook(hook["LifecycleHookName"], int(hook["HeartbeatTimeout"]), hook["DefaultResult"])


def _member(entry: dict[str, Any]) -> Member:
    return Member(
        instance_id=entry["InstanceId"],
        state=entry["LifecycleState"],
        template_version=_number(entry.get("LaunchTemplate", {}).get("Version")),
        healthy=entry["HealthStatus"].lower() == "healthy",
    )


def _number(version: object) -> int:
    """Return a version's number; 0 for $Latest and $Default, which we never use."""
    text = str(version)
    return int(text) if text.isdigit() else 0


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_words(part) for part in value) or "none"
    return str(value)
