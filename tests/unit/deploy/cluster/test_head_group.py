"""The group of heads: what it never does by itself, and how many heads it has room for."""

import pytest

from deploy.cluster.head_group import GroupSettings, HeadGroup, Hook, Member, room_for

OLD, NEW = 1, 2


def a_group(*members: Member) -> HeadGroup:
    settings = GroupSettings("lt-1", NEW, 0, 1, 2, ("subnet-a",), (), 300, (), Hook("ready", 300))
    return HeadGroup("heads", settings, members, being_deleted=False)


def heads(count: int, version: int, state: str = "InService") -> list[Member]:
    return [Member(f"i-{version}{n}", state, version, healthy=True) for n in range(count)]


def test_the_group_never_balances_zones_nor_scales_in_by_itself() -> None:
    settings = a_group().settings

    assert settings.suspended == ("AZRebalance",)
    assert settings.protected is True
    assert settings.health_check == "EC2"


@pytest.mark.parametrize(
    ("members", "count", "launch_first", "room"),
    [
        ([], 1, True, 1),
        (heads(1, NEW), 1, True, 1),
        (heads(1, OLD), 1, True, 2),
        (heads(1, OLD), 1, False, 1),
        (heads(2, OLD), 2, True, 4),
        (heads(1, OLD, "Pending:Wait"), 1, True, 1),
        # Never fewer than the heads that exist: the group would choose which to end.
        (heads(2, NEW), 1, False, 2),
        (heads(1, OLD) + heads(1, NEW), 1, False, 2),
        ([*heads(1, NEW), *heads(1, OLD, "Pending:Wait")], 1, True, 2),
        # But never more than a successor for each head that is wanted.
        (heads(3, OLD), 1, True, 2),
        # Those that are being terminated need no room.
        (heads(2, OLD, "Terminating:Wait"), 1, True, 1),
    ],
)
def test_the_group_has_room_for_successors_and_for_every_head_that_lives(
    members: list[Member], count: int, launch_first: bool, room: int
) -> None:
    assert room_for(a_group(*members), count, NEW, launch_first=launch_first) == room
