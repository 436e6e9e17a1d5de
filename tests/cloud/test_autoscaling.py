"""A group of one real machine behind a real balancer: launched, lost, replaced, held, deleted."""

from collections.abc import Iterator

import pytest

from tests.cloud.harness import Cloud, eventually
from tests.cloud.site import NAME, Site


@pytest.fixture
def site(cloud: Cloud) -> Iterator[Site]:
    """A site whose group a test creates."""
    site = Site(cloud)
    yield site
    if site.members():
        site.delete_group()
    site.delete()


def test_a_machine_that_loses_power_is_replaced_and_traffic_restored(site: Site) -> None:
    site.create_group()
    first = site.serving()
    assert site.page() == site.page_of(first)

    site.lose_power(first)
    eventually("the replacement", lambda: first not in site.members() and site.members())
    second = site.serving(but=first)

    assert site.page() == site.page_of(second)
    assert site.cloud.describe(first)["State"]["Name"] == "terminated"
    found = site.aws.autoscaling.describe_scaling_activities(AutoScalingGroupName=NAME)
    causes = " ".join(activity["Cause"] for activity in found["Activities"])
    assert "EC2 health check indicating it has been terminated or stopped" in causes


def test_a_hook_holds_a_machine_until_it_completes_and_deletion_waits_for_it(
    site: Site,
) -> None:
    site.create_group(
        LifecycleHookSpecificationList=[
            {
                "LifecycleHookName": "ready",
                "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
            }
        ]
    )
    eventually("the hook", lambda: list(site.members().values()) == ["Pending:Wait"])
    (instance,) = site.members()
    assert site.healthy() == []

    site.aws.autoscaling.complete_lifecycle_action(
        AutoScalingGroupName=NAME,
        LifecycleHookName="ready",
        InstanceId=instance,
        LifecycleActionResult="CONTINUE",
    )
    assert site.serving() == instance
    tags = {t["Key"]: t["Value"] for t in site.cloud.describe(instance)["Tags"]}
    assert tags["aws:autoscaling:groupName"] == NAME

    site.delete_group()
    assert site.cloud.describe(instance)["State"]["Name"] == "terminated"
    assert site.cloud.traces(instance) == []
