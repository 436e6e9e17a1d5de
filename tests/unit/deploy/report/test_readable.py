"""Differences between releases in plain words, whichever setting it is."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.release.release import Release, differences
from deploy.release.settings import Access, Group, Volume
from deploy.report.readable import readable
from tests.unit.deploy.builders import a_group, a_release


def lines(old: Release, new: Release) -> set[str]:
    """Return what differs in plain words."""
    return set(map(readable, differences(old, new)))


def with_group(**changes: Any) -> Release:
    """Return a release whose only group differs from that of ``a_release``."""
    return a_release(groups=(a_group(**changes),))


@pytest.mark.parametrize("role", ["head", "worker"])
def test_differences_are_in_plain_words(role: str) -> None:
    new = a_release(**{role: "ami-next"}, groups=(a_group(min=2),), tags=(("team", "ml"),))

    assert lines(a_release(), new) >= {
        f"{role} image: ami-{role} → ami-next",
        f"{role} image's content: digest of am → digest of am",
        "group worker, min: 1 → 2",
        "tag team: none → ml",
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"instance_types": ("a.x", "b.x")}, "instance types: m6i.large → a.x, b.x"),
        ({"markets": ("spot",)}, "markets: on-demand → spot"),
        ({"idle_timeout_minutes": 9}, "idle timeout in minutes: 5 → 9"),
        ({"cpus": 4}, "vCPUs: 2 → 4"),
        (
            {"rebalance_seconds": 300},
            "drain at a rebalance recommendation in seconds: none → 300",
        ),
        ({"gpus": 1}, "GPUs: 0 → 1"),
        ({"resources": (("big_disk", 1),)}, "resource big_disk: none → 1"),
        ({"labels": (("team", "ml"),)}, "label team: none → ml"),
        ({"instance_store": "spill"}, "instance store: none → spill"),
        ({"object_store_gib": 8}, "object store in GiB: Ray's own share → 8"),
        ({"zones": ("us-east-1a",)}, "zones: all → us-east-1a"),
        ({"placement": "cluster"}, "placement group: none → cluster"),
        ({"efa_interfaces": 4}, "interfaces with EFA: none → 4"),
        ({"capacity_reservation_id": "cr-1"}, "capacity reservation: none → cr-1"),
        ({"volume": Volume(40)}, "volume in GiB: 20 → 40"),
        ({"volume": Volume(20, 6000)}, "IOPS of the volume: gp3's own → 6000"),
        ({"volume": Volume(20, 0, 500)}, "throughput of the volume in MiB/s: gp3's own → 500"),
        (
            {"volume": Volume(20, initialization_rate=300)},
            "initialization of the volume in MiB/s: EBS's own → 300",
        ),
        ({"runs_documents": True}, "the document pipeline: none → runs here"),
        ({"access": Access(policy_arns=("arn:p",))}, "policies: none → arn:p"),
        ({"access": Access(s3_read=("b/*", "c/*"))}, "S3 objects to read: none → b/*, c/*"),
        ({"access": Access(s3_write=("b/*",))}, "S3 objects to write: none → b/*"),
        ({"access": Access(security_group_ids=("sg-1",))}, "security groups: none → sg-1"),
        ({"access": Access(egress=("tcp/1 to 10.0.0.0/8",))}, "egress: none → tcp/1 to 10.0.0.0/8"),
        ({"access": Access(efs=(("fs-1", "/shared"),))}, "EFS fs-1: none → /shared"),
    ],
)
def test_each_setting_of_a_group_is_in_plain_words(changes: dict[str, Any], words: str) -> None:
    assert lines(a_release(), with_group(**changes)) == {f"group worker, {words}"}


def test_every_setting_of_a_group_has_a_difference_of_its_own() -> None:
    """A setting that is left out here would change without a word in the plan."""
    assert set(Group.__dataclass_fields__) == {
        *("name", "image", "volume", "instance_types", "markets", "min", "max"),
        *("idle_timeout_minutes", "cpus", "gpus", "resources", "labels", "instance_store"),
        *(
            "object_store_gib",
            "zones",
            "placement",
            "efa_interfaces",
            "capacity_reservation_id",
            "access",
        ),
        *("rebalance_seconds", "runs_documents"),
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"head_volume": Volume(40)}, "head, volume in GiB: 20 → 40"),
        ({"head_access": Access(s3_read=("b/*",))}, "head, S3 objects to read: none → b/*"),
        ({"permissions_boundary": "arn:p"}, "permissions boundary: none → arn:p"),
        ({"kms_key": "arn:k"}, "KMS key: none → arn:k"),
    ],
)
def test_each_setting_of_heads_and_of_all_nodes_too(changes: dict[str, Any], words: str) -> None:
    assert lines(a_release(), a_release(**changes)) == {words}


def test_a_group_that_comes_or_goes_is_one_line() -> None:
    gpu = a_group(name="gpu", instance_types=("g6.xlarge", "g5.xlarge"), markets=("spot",), max=8)
    both = a_release(groups=(*a_release().settings.groups, replace(gpu, min=0)))

    assert lines(a_release(), both) == {"group gpu: none → g6.xlarge or g5.xlarge, spot, 0 to 8"}
    assert lines(both, a_release()) == {"group gpu: g6.xlarge or g5.xlarge, spot, 0 to 8 → none"}
