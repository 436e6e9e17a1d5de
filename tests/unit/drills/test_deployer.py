"""A drill's deploy wants another release of the same cluster, and nothing lasting."""

import time

import pytest

from common.environment import load_environment
from common.waiting import SystemClock
from deploy.release.release import settings_of
from drills.kit.deployer import changed, clock_off, next_size
from drills.kit.registry import drill_named
from drills.kit.series import warning

LOCAL = load_environment("local")


@pytest.mark.parametrize("change", ["head", "tag"])
def test_a_change_is_another_release_of_the_same_cluster(change: str) -> None:
    other = changed(LOCAL, change)

    assert settings_of(other) != settings_of(LOCAL)
    assert (other.stack, other.head_group, other.bucket) == (
        LOCAL.stack,
        LOCAL.head_group,
        LOCAL.bucket,
    )


def test_a_change_of_heads_leaves_the_workers_alone() -> None:
    other = changed(LOCAL, "head")

    assert other.head.instance_type == "m6i.xlarge"
    assert other.workers == LOCAL.workers
    assert other.tags == LOCAL.tags


def test_a_limit_is_no_other_release() -> None:
    other = changed(LOCAL, "none", hand_over_seconds=60)

    assert other.limits.hand_over_seconds == 60
    assert settings_of(other) == settings_of(LOCAL)


def test_sizes_go_up_within_a_family() -> None:
    assert [next_size(size) for size in ("m6g.medium", "m6i.large", "r5.2xlarge")] == [
        "m6g.large",
        "m6i.xlarge",
        "r5.4xlarge",
    ]


def test_a_clock_that_is_off_is_so_for_a_while() -> None:
    before = time.time()
    with clock_off(240.0):
        assert SystemClock().now() - before == pytest.approx(240.0, abs=1.0)
    assert SystemClock().now() - before == pytest.approx(0.0, abs=1.0)


def test_before_a_real_cluster_is_broken_it_is_told_what_breaks_and_what_it_costs() -> None:
    words = warning(drill_named("head_terminated"), LOCAL, 3)

    assert "head_terminated on local, 3 times: The head's instance is terminated." in words
    assert "m6i.large $0.10 an hour" in words
