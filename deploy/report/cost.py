"""How a plan changes what the cluster costs a month: its heads, and each group of workers. No AWS.

A group costs something between its minimum and its maximum; its preferred instance type is priced.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from deploy.cluster.state import ClusterState
from deploy.plan.desired_state import DesiredState
from deploy.plan.prices import Fleet, cost_change
from deploy.release.settings import Group, Settings, Volume
from node.contract import SPOT

# Not a price of a month, but of each launch: "Provisioned Rate for Volume Initialization" in
# https://aws.amazon.com/ebs/pricing/
INITIALIZED = "each launch fills {gib} GiB at {rate} MiB/s, which EBS charges by the snapshot's GiB"


def cost_of(desired: DesiredState, state: ClusterState) -> tuple[str, ...]:
    """Say how the cost of the heads, and of each group's minimum and maximum, changes."""
    region, after = desired.environment.region, desired.release.settings
    before = state.release.settings if state.release else None
    heads = state.group.settings.min_size if state.group else 0
    old = _heads(before, heads, region) if before else None
    lines = (
        *_line("head", old, _heads(after, desired.head_count, region)),
        *_initialized("head", before.head_volume if before else None, after.head_volume),
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
    yield from _initialized(
        f"group {name}", old.volume if old else None, new.volume if new else None
    )


def _initialized(what: str, before: Volume | None, after: Volume | None) -> Iterator[str]:
    """Yield what a launch costs besides, where that is new."""
    if after and after.initialization_rate and after != before:
        words = INITIALIZED.format(gib=after.gib, rate=after.initialization_rate)
        yield f"{what}: {words}"


def _line(what: str, before: Fleet | None, after: Fleet | None) -> Iterator[str]:
    """Yield a line where something differs; no instances are as no fleet."""
    old, new = (fleet if fleet and fleet.count else None for fleet in (before, after))
    if old != new:
        yield f"{what}: {cost_change(old, new)}"


def _heads(settings: Settings, count: int, region: str) -> Fleet:
    return Fleet(settings.head_type, count, _by_the_month(settings.head_volume), region)


def _workers(group: Group | None, limit: Literal["min", "max"], region: str) -> Fleet | None:
    """Return as many workers as the group's limit says; None without a group."""
    if group is None:
        return None
    count = group.min if limit == "min" else group.max
    volume = _by_the_month(group.volume)
    return Fleet(group.instance_types[0], count, volume, region, SPOT in group.markets)


def _by_the_month(volume: Volume) -> Volume:
    return replace(volume, initialization_rate=0)
