"""The leftovers of a killed bake are removed by the next; those of a running bake are kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bake.leftovers import TOO_OLD, Leftovers, find_leftovers, remove_leftovers
from bake.owner import TAG, Owner, this_process
from common.clients import Clients
from tests.unit.localcloud.fakes import FakeClock

ALIVE = this_process()
# The same pid as this process, but another start time.
DEAD = replace(ALIVE, started=ALIVE.started - 1)
ELSEWHERE = Owner("other-host-00000000", 1, 1)


def a_bake(clients: Clients, owner: Owner) -> Leftovers:
    """Create what a bake creates, tagged with ``owner``."""
    ec2, name = clients("ec2"), f"bake-{owner.started}-{owner.pid}"

    def tagged(kind: str) -> list[dict[str, object]]:
        return [{"ResourceType": kind, "Tags": [{"Key": TAG, "Value": str(owner)}]}]

    ec2.create_key_pair(KeyName=name, TagSpecifications=tagged("key-pair"))
    group = ec2.create_security_group(
        GroupName=name, Description="x", TagSpecifications=tagged("security-group")
    )["GroupId"]
    (instance,) = ec2.run_instances(
        ImageId="ami-1",
        MinCount=1,
        MaxCount=1,
        SecurityGroupIds=[group],
        TagSpecifications=tagged("instance"),
    )["Instances"]
    return Leftovers((instance["InstanceId"],), (group,), (name,))


@pytest.fixture
def now(clock: FakeClock) -> datetime:
    return datetime.now(UTC)


def test_there_are_no_leftovers_where_nothing_was_baked(clients: Clients, now: datetime) -> None:
    assert find_leftovers(clients, now).count == 0


def test_what_a_dead_process_created_is_found(clients: Clients, now: datetime) -> None:
    left = a_bake(clients, DEAD)
    a_bake(clients, ALIVE)

    assert find_leftovers(clients, now) == left


def test_what_another_machine_created_is_kept_until_it_is_too_old(
    clients: Clients, now: datetime
) -> None:
    left = a_bake(clients, ELSEWHERE)

    assert find_leftovers(clients, now).count == 0
    assert find_leftovers(clients, now + TOO_OLD + timedelta(minutes=1)) == left


def test_an_instance_or_a_key_pair_that_is_too_old_is_found_alone(
    clients: Clients, now: datetime, clock: FakeClock
) -> None:
    first, second = a_bake(clients, ELSEWHERE), a_bake(clients, replace(ELSEWHERE, pid=2))
    clients("ec2").delete_key_pair(KeyName=first.key_names[0])
    clients("ec2").terminate_instances(InstanceIds=list(second.instance_ids))
    clock.advance(60)

    found = find_leftovers(clients, now + timedelta(days=2))

    assert found.instance_ids == first.instance_ids
    assert found.key_names == second.key_names


def test_untagged_instances_are_never_removed(clients: Clients, now: datetime) -> None:
    clients("ec2").run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)

    assert find_leftovers(clients, now + 2 * TOO_OLD).count == 0


def test_all_leftovers_are_removed(clients: Clients, now: datetime, clock: FakeClock) -> None:
    a_bake(clients, DEAD)
    living = a_bake(clients, ALIVE)
    words: list[str] = []

    remove_leftovers(clients, find_leftovers(clients, now), clock, words.append)

    assert find_leftovers(clients, now).count == 0
    keys = clients("ec2").describe_key_pairs()["KeyPairs"]
    assert [key["KeyName"] for key in keys] == list(living.key_names)
    assert words == ["removing 3 leftovers of a killed bake"]
