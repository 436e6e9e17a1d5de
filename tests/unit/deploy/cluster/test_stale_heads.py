"""The heads' group: whose its tags are, and which heads go first."""

from dataclasses import replace

import pytest

from deploy.cluster.head_group import (
    GroupSettings,
    HeadGroup,
    Hook,
    Member,
    group_changes,
    unwanted,
)

SETTINGS = GroupSettings(
    template_id="lt-1",
    template_version=1,
    min_size=1,
    desired=1,
    max_size=2,
    subnet_ids=("subnet-a",),
    target_group_arns=(),
    grace_seconds=0,
    tags=(("project", "ray"),),
    hook=Hook("ready", 300),
)


def test_tags_of_others_are_no_change() -> None:
    found = replace(SETTINGS, tags=(("cost-centre", "4711"), ("project", "ray")))

    assert group_changes(SETTINGS, found) == ()


def test_a_tag_that_no_head_has_yet_is_added() -> None:
    more = replace(SETTINGS, tags=(("project", "ray"), ("team", "ml")))

    assert group_changes(more, SETTINGS) == ("tag team: none → ml",)


def test_a_tag_that_the_environment_had_is_removed_and_one_that_differs_is_changed() -> None:
    found = replace(SETTINGS, tags=(("cost-centre", "4711"), ("project", "x"), ("stage", "dev")))
    desired = replace(SETTINGS, former_tag_keys=("stage",))

    assert group_changes(desired, found) == (
        "tag project: x → ray",
        "tag stage: dev → none",
    )


def a_group(*heads: str) -> HeadGroup:
    """Return a group of heads such as "a1": a name, and its template version; "b2?" is pending."""
    members = tuple(
        Member(head[0], "Pending:Wait" if head.endswith("?") else "InService", int(head[1]), True)
        for head in heads
    )
    return HeadGroup("heads", SETTINGS, members, being_deleted=False)


@pytest.mark.parametrize(
    ("heads", "count", "version", "leader", "first"),
    [
        # Room for successors beside the heads in service: nothing is in the way.
        (["a1"], 1, None, "a", ""),
        (["a1", "b1"], 2, None, "a", ""),
        # Heads of a second version stand where those of a third are to be.
        (["a1", "b1", "c2", "d2"], 2, None, "a", "cd"),
        (["a1", "b1", "c2", "d2"], 2, None, "c", "ab"),
        (["a1", "b2"], 1, 3, "a", "b"),
        # They do not, once those of the third are there; and the second may be the wanted one.
        (["a1", "b2", "c3"], 1, 3, "a", ""),
        (["a1", "b1", "c2", "d2"], 2, 2, "a", ""),
        # Never in service: always first, and no reason to terminate others.
        (["a1", "b1", "c2?", "d2?"], 2, None, "a", "cd"),
        (["a1", "b2?"], 1, 2, "a", ""),
        # The leader never is, unless no head is in service at all.
        (["a1?", "b2"], 1, 3, "a", "b"),
        (["a1?"], 1, 3, "a", "a"),
    ],
)
def test_heads_that_leave_no_room_go_first_and_not_the_leader(
    heads: list[str], count: int, version: int | None, leader: str, first: str
) -> None:
    found = unwanted(a_group(*heads), count, version, leader)

    assert "".join(member.instance_id for member in found) == first
