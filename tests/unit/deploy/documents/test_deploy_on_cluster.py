"""Deploying, pausing and destroying a pipeline that runs on the environment's own cluster."""

from collections.abc import Iterator
from typing import Any

import pytest

from common.errors import Refused
from common.progress import Say, Silent
from deploy.documents.deploy import Deployment
from deploy.documents.destroy import Destruction
from deploy.documents.image import GivenImage
from deploy.documents.pause import change_pause
from deploy.documents.pipeline import Pipeline as Deployed
from deploy.documents.pipeline import service_url
from deploy.documents.status import read_documents_status
from deploy.foundation.changes import apply_foundation, plan_foundation
from deploy.foundation.node_needs import Needs, needs_of
from deploy.foundation.nodes_stack import widen_nodes
from deploy.foundation.stack import Foundation, find_stack
from deploy.release.config_bucket import point_to_release, release_document, store_document
from deploy.release.release import Release, release_from
from tests.unit.deploy.builders import an_image, the_settings
from tests.unit.deploy.documents.pipeline import STACK, Pipeline, on_cluster, with_documents
from tests.unit.localcloud.conftest import a_world
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

pytestmark = pytest.mark.slow

ENVIRONMENT = on_cluster()
RELEASE = Release(an_image("ami-head"), the_settings(ENVIRONMENT))


def used(pipeline: Deployed, clients: Any, *, clock: Any, progress: Say) -> str:
    return "in use"


class Operator:
    """A person whose cluster is deployed step by step."""

    def __init__(self, aws: Pipeline) -> None:
        self.aws = aws

    def cluster(self) -> Foundation:
        """Create the cluster's stacks, without instances."""
        clients, clock = self.aws.clients, self.aws.clock
        plan = plan_foundation(clients, ENVIRONMENT, clock=clock)
        foundation = apply_foundation(clients, ENVIRONMENT, plan, clock=clock)
        needs = needs_of(RELEASE.settings)
        return widen_nodes(clients, ENVIRONMENT, foundation, Needs(), needs, clock=clock)

    def serve(self, release: Release) -> None:
        """Have the cluster serve a release."""
        bucket = ENVIRONMENT.bucket
        store_document(self.aws.clients, bucket, release_document("dev", release))
        point_to_release(self.aws.clients, bucket, "dev", release)

    def deployment(self, **given: Any) -> Deployment:
        given |= {"in_use": used, "way": lambda *_: ()}
        aws, images = self.aws, GivenImage("")
        return Deployment(ENVIRONMENT, aws.clients, aws.clock, images, **given)

    def deploy(self) -> Deployed:
        deployment = self.deployment()
        return deployment.run(deployment.plan(), Silent())

    def pause(self, paused: bool) -> Deployed:
        return change_pause(
            self.aws.clients,
            ENVIRONMENT,
            paused,
            clock=self.aws.clock,
            progress=Silent(),
            in_use=used,
        )

    def refusal(self) -> str:
        with pytest.raises(Refused) as refused:
            self.deployment().plan()
        return str(refused.value)

    def settings(self) -> str:
        found = self.aws.found("ssm", "get_parameter", Name=f"/{STACK}/settings")
        return str(found["Parameter"]["Value"])

    def policies(self, foundation: Foundation) -> set[str]:
        """Return the names of the policies of the group's role."""
        role = foundation.documents_role("documents")
        found = self.aws.found("iam", "list_attached_role_policies", RoleName=role)
        return {one["PolicyName"].rpartition("-")[0] for one in found["AttachedPolicies"]}


@pytest.fixture
def operator() -> Iterator[Operator]:
    clock = FakeClock()
    with a_world(clock, FakeDriver(clock)):
        yield Operator(Pipeline(clock))


def test_it_is_deployed_paused_and_destroyed_and_the_cluster_stays(operator: Operator) -> None:
    assert "there is no cluster of dev to run on" in operator.refusal()
    foundation = operator.cluster()
    assert "serves no group documents whose image holds the application" in operator.refusal()
    operator.serve(Release(an_image("ami-head"), the_settings(with_documents())))
    assert "invoke bake --env dev, then invoke deploy --env dev" in operator.refusal()
    operator.serve(RELEASE)

    plan = operator.deployment().plan()
    assert plan.words[0].startswith(f"create the stack {STACK}: ")
    assert not any("image" in words for words in plan.words)
    deployed = operator.deploy()

    assert deployed.on_cluster
    assert deployed.least_tasks == (1, 1)
    assert service_url(deployed.outputs) == "http://ray-head.dev.ray.internal:8000"
    assert f"{STACK}-GroupPolicy" in operator.policies(foundation)
    assert operator.deployment().plan().is_empty

    found = read_documents_status(ENVIRONMENT, operator.aws.clients, clock=operator.aws.clock)
    assert (found.runs_on, found.services) == ("the group documents of the cluster", ())
    assert any("Ray does not answer" in problem for problem in found.problems)

    assert '"paused": false' in operator.settings()
    assert operator.pause(True).paused
    assert '"paused": true' in operator.settings()
    assert "the pipeline is paused, and stays so" not in operator.deployment().plan().words
    assert not operator.pause(False).paused

    Destruction(ENVIRONMENT, operator.aws.clients, operator.aws.clock).run(Silent())
    assert find_stack(operator.aws.clients, STACK) is None
    assert f"{STACK}-GroupPolicy" not in operator.policies(foundation)
    assert find_stack(operator.aws.clients, "raykiln-dev") is not None


def test_force_is_refused_where_there_are_no_tasks(operator: Operator) -> None:
    with pytest.raises(Refused, match="--force replaces tasks, and on the cluster there are none"):
        operator.deployment(force=True).plan()


def test_a_release_says_that_a_group_runs_documents_only_where_one_does() -> None:
    other = Release(an_image("ami-head"), the_settings(with_documents()))

    assert '"runs_documents": true' in RELEASE.to_json()
    assert "runs_documents" not in other.to_json()
    for release in (RELEASE, other):
        assert release_from(release.to_json()) == release
