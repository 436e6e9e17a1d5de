"""A run of the suite that was killed is deleted by its id, and nothing of others is."""

import pytest

from common.progress import Silent
from deploy.account.account_setup import find_account_stack, set_up_account
from tests.cloud.suite_run import SuiteRun
from tests.cloud.sweep import found_of, sweep
from tests.marks import THOROUGH_ONLY
from tests.simulation.cloud import Cloud
from tests.unit.simulation.conftest import Cluster, Deployed
from tests.unit.simulation.faulty_calls import Killed


def started(deployed: Deployed) -> tuple[SuiteRun, Cluster]:
    """Begin a run as it is before its first deploy."""
    run = SuiteRun(deployed.single.environment, "3fa9c1")
    cluster = Cluster(deployed.cloud, run.environment())
    clients, clock = deployed.cloud.clients, deployed.cloud.clock
    set_up_account(clients, cluster.environment, clock=clock, progress=Silent())
    for role in ("head", "worker"):
        ami_id = deployed.cloud.bake(role, run.name)
        clients("ec2").create_tags(
            Resources=[ami_id], Tags=[{"Key": "test-run", "Value": "3fa9c1"}]
        )
    return run, cluster


def swept(run: SuiteRun, cloud: Cloud) -> tuple[str, ...]:
    return sweep(run, cloud.clients, clock=cloud.clock, progress=Silent())


def die(**_: object) -> None:
    raise Killed


@THOROUGH_ONLY
def test_a_run_that_was_killed_in_its_deploy_is_deleted(deployed: Deployed) -> None:
    run, cluster = started(deployed)
    clients = deployed.cloud.clients
    group = "before-send.auto-scaling.CreateAutoScalingGroup"
    clients("autoscaling").meta.events.register_first(group, die)
    with pytest.raises(Killed):
        cluster.deploy()
    clients("autoscaling").meta.events.unregister(group, die)
    left = set(found_of(clients, cluster.environment, run.id))
    images = len(clients("ec2").describe_images(Owners=["self"])["Images"])

    assert {"stack raykiln-t-3fa9c1", "stack raykiln-t-3fa9c1-account"} <= left
    assert any(words.startswith("LaunchTemplates ") for words in left)
    assert swept(run, deployed.cloud) == ()
    assert len(clients("ec2").describe_images(Owners=["self"])["Images"]) == images - 2
    assert find_account_stack(clients, cluster.environment) is None
    assert deployed.single.status().problems == ()


def test_what_cannot_be_deleted_is_named_and_the_rest_goes(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, cluster = started(deployed)
    clients = deployed.cloud.clients
    vpc = clients("ec2").create_vpc(
        CidrBlock="10.9.0.0/24",
        TagSpecifications=[
            {"ResourceType": "vpc", "Tags": [{"Key": "test-run", "Value": "3fa9c1"}]}
        ],
    )["Vpc"]["VpcId"]

    assert swept(run, deployed.cloud) == (f"Vpcs {vpc}",)
    assert find_account_stack(clients, cluster.environment) is None
