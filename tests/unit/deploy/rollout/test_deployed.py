"""One cluster, deployed once on fake machines, checked in many ways."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from moto import mock_aws

from common.progress import Silent
from deploy.operate.status import read_status
from deploy.plan.steps import Done
from deploy.release.rollout_journal import begin_journal, write_journal
from deploy.rollout.lock import deploy_lock
from localcloud import patches
from localcloud.world import World
from localcloud.world import install as install_world
from tests.unit.deploy.conftest import Cluster, a_cluster
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

# Requests that a deploy with nothing to do may send, for a cluster of any size. One reads the stack
# of the nodes, one the zones of the subnets, one those of the stack.
CALLS = 23
# Requests that a status may send, and how many more if a rollout has left a journal.
# Five of them ask the guard: a command, and its result every half second; one looks for images.
STATUS_CALLS, JOURNAL_CALLS = 24, 1


@dataclass
class Remembers(Silent):
    """Keeps what it was told."""

    said: list[str] = field(default_factory=list)

    def say(self, words: str) -> None:
        self.said.append(words)


@dataclass
class Deployed:
    """A cluster and what its deploy reported."""

    cluster: Cluster
    progress: Remembers
    done: tuple[Done, ...]

    def instances(self) -> list[dict[str, Any]]:
        found = self.cluster.clients("ec2").describe_instances()["Reservations"]
        return [instance for reservation in found for instance in reservation["Instances"]]


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    """The one cluster of these tests."""
    clock = FakeClock()
    driver = FakeDriver(clock)
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        world = World(clock, driver)
        install_world(world)
        patches.install(world)
        clock.listeners.append(world.step)
        cluster, progress = a_cluster(clock, driver), Remembers()
        yield Deployed(cluster, progress, cluster.deploy(progress))


def test_a_second_deploy_changes_nothing_and_sends_few_requests(deployed: Deployed) -> None:
    before = deployed.cluster.clients.calls

    assert deployed.cluster.prepare().rollout.plan.is_empty
    assert deployed.cluster.clients.calls - before <= CALLS


def test_running_an_empty_plan_sends_nothing(deployed: Deployed) -> None:
    rollout = deployed.cluster.prepare().rollout
    before = deployed.cluster.clients.calls

    assert rollout.run(Silent()) == ()
    assert deployed.cluster.clients.calls == before


def test_the_cluster_is_complete(deployed: Deployed) -> None:
    state = deployed.cluster.state()

    assert state.leader is not None
    assert state.is_reachable
    assert len(state.workers) == 1
    assert state.release == deployed.cluster.prepare().rollout.desired.release


def test_the_wait_reports_the_state_of_the_head(deployed: Deployed) -> None:
    assert any("Pending:Wait" in words for words in deployed.progress.said)


def test_the_secret_is_strong_and_encrypted_and_its_value_is_never_shown(
    deployed: Deployed,
) -> None:
    ssm, name = deployed.cluster.clients("ssm"), deployed.cluster.environment.secret

    parameter = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]

    assert (len(parameter["Value"]), parameter["Type"]) == (64, "SecureString")
    told = [*deployed.progress.said, *map(str, deployed.done), str(deployed.cluster.state())]
    assert parameter["Value"] not in "\n".join(told)


def test_head_and_workers_are_of_one_release(deployed: Deployed) -> None:
    state, release = deployed.cluster.state(), deployed.cluster.prepare().rollout.desired.release
    assert state.head_template is not None
    (template,) = state.worker_templates

    found = {(i.role, i.ami_id, i.content) for i in state.instances}
    image = release.settings.groups[0].image

    assert found == {
        ("head", release.head.ami_id, state.head_template.versions[0].content.digest),
        (
            "worker",
            image.ami_id,
            template.versions[0].content.digest,
        ),
    }


def test_instances_require_tokens_for_metadata(deployed: Deployed) -> None:
    for instance in deployed.instances():
        options = instance["MetadataOptions"]
        assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)
        assert options["InstanceMetadataTags"] == "enabled"


def test_instances_have_no_public_address(deployed: Deployed) -> None:
    assert all("PublicIpAddress" not in instance for instance in deployed.instances())


def test_the_group_names_its_template_by_number(deployed: Deployed) -> None:
    scaling = deployed.cluster.clients("autoscaling")

    (group,) = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]

    assert group["LaunchTemplate"]["Version"] == "1"
    assert (group["MinSize"], group["DesiredCapacity"], group["MaxSize"]) == (1, 1, 2)
    assert group["HealthCheckType"] == "EC2"


def test_launch_templates_are_tagged_with_environment_and_role(deployed: Deployed) -> None:
    """Ray's autoscaler may launch only from a template with these tags."""
    found = deployed.cluster.clients("ec2").describe_launch_templates()["LaunchTemplates"]

    tags = [{tag["Key"]: tag["Value"] for tag in template["Tags"]} for template in found]
    roles = {(t["raykiln:environment"], t["raykiln:role"]) for t in tags}
    assert roles == {("dev", "head"), ("dev", "worker")}


def test_the_description_of_a_version_ends_in_its_digest(deployed: Deployed) -> None:
    state = deployed.cluster.state()
    assert state.head_template is not None

    answer = deployed.cluster.clients("ec2").describe_launch_template_versions(
        LaunchTemplateId=state.head_template.id
    )

    (version,) = answer["LaunchTemplateVersions"]
    assert version["VersionDescription"].split()[-1] == (
        state.head_template.versions[0].content.digest
    )


def test_documents_are_stored_under_the_name_of_their_content(deployed: Deployed) -> None:
    release = deployed.cluster.prepare().rollout.desired.release

    keys = deployed.cluster.state().keys

    assert f"dev/releases/{release.id}.json" in keys
    assert "dev/releases/current.json" in keys
    assert len([key for key in keys if key.startswith("dev/autoscaler/")]) == 1


def test_the_status_is_json_and_tables(deployed: Deployed) -> None:
    cluster = deployed.cluster
    report = read_status(cluster.environment, cluster.clients, clock=cluster.clock)

    data = json.loads(json.dumps(report.as_json()))
    assert data["leader"] == data["heads"][0]["id"]
    assert [section.title for section in report.sections()] == [
        "dev",
        "Heads",
        "Groups",
        "Workers",
        "Load balancer",
        "Alarms",
    ]


def test_a_status_sends_few_requests(deployed: Deployed) -> None:
    cluster = deployed.cluster
    before = cluster.clients.calls

    report = read_status(cluster.environment, cluster.clients, clock=cluster.clock)

    assert (report.deployer, report.unfinished) == ("", "")
    assert cluster.clients.calls - before <= STATUS_CALLS


def test_a_status_names_the_deployer_and_an_unfinished_rollout(deployed: Deployed) -> None:
    cluster = deployed.cluster
    environment, clients = cluster.environment, cluster.clients
    journal = begin_journal(
        "dev", "deploy", from_release="a1", to_release="b2", plan=(), now=cluster.clock.now()
    )
    older = replace(journal, id="20000101T000000Z-a1").closed("done", cluster.clock.now())
    for one in (journal, older):
        write_journal(clients, environment.bucket, one)

    with deploy_lock(clients, environment, "deploy of b2", clock=cluster.clock):
        deploying = read_status(environment, clients, clock=cluster.clock)
    before = clients.calls
    killed = read_status(environment, clients, clock=cluster.clock)

    assert deploying.deployer.endswith(", for 0 s: deploy of b2")
    assert deploying.unfinished == ""
    assert killed.deployer == ""
    assert killed.unfinished == f"deploy of b2 by {journal.actor} ({journal.id})"
    assert clients.calls - before <= STATUS_CALLS + JOURNAL_CALLS
    write_journal(clients, environment.bucket, journal.closed("done", cluster.clock.now()))
    assert read_status(environment, clients, clock=cluster.clock).unfinished == ""
