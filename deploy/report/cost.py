"""How a plan changes what the cluster costs a month: its heads, and each group of workers. No AWS.

A group costs something between its minimum and its maximum; its preferred instance type is priced.
"""

from collections.abc import Iterator
from typing import Literal

from deploy.cluster.state import ClusterState
from deploy.plan.desired_state import DesiredState
from deploy.plan.prices import Fleet, cost_change
from deploy.release.settings import Group, Settings
from node.contract import SPOT


def cost_of(desired: DesiredState, state: ClusterState) -> tuple[str, ...]:
    """Say how the cost of the heads, and of each group's minimum and maximum, changes."""
    region, after = desired.environment.region, desired.release.settings
    before = state.release.settings if state.release else None
    heads = state.group.settings.min_size if state.group else 0
    old = _heads(before, heads, region) if before else None
    lines = (
        *_line("head", old, _heads(after, desired.head_count, region)),
        *(line for name in _names(before, after) for line in _group(name, before, after, region)),
    )
    return lines or ("none",)


def _names(*settings: Settings | None) -> list[str]:
    return sorted({group.name for one in settings if one for group in one.groups})


def _group(name: str, before: Settings | None, after: Settings, region: str) -> Iterator[str]:
    old, new = before.group_named(name) if before else None, after.group_named(name)
    least = _workers(old, "min", region), _workers(new, "min", region)
    most = _workers(old, "max", region), _workers(new, "max", region)
    if least == most:
        yield from _line(f"group {name}", *least)
    else:
        yield from _line(f"group {name}, minimum", *least)
        yield from _line(f"group {name}, maximum", *most)


def _line(what: str, before: Fleet | None, after: Fleet | None) -> Iterator[str]:
    """Yield a line where something differs; no instances are as no fleet."""
    old, new = (fleet if fleet and fleet.count else None for fleet in (before, after))
    if old != new:
        yield f"{what}: {cost_change(old, new)}"


def _heads(settings: Settings, count: int, region: str) -> Fleet:
    return Fleet(settings.head_type, count, settings.head_volume, region)


def _workers(group: Group | None, limit: Literal["min", "max"], region: str) -> Fleet | None:
    """Return as many workers as the group's limit says; None without a group."""
    if group is None:
        return None
    count = group.min if limit == "min" else group.max
    return Fleet(group.instance_types[0], count, group.volume, region, SPOT in group.markets)
