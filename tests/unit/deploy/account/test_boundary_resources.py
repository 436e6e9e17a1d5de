"""The boundary admits what the roles of the stacks may, on the very resources that they name."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto.iam.models import iam_backends

from common.clients import Clients
from common.environment import Environment
from common.progress import Silent
from deploy.account.account_setup import set_up_account
from deploy.foundation.changes import apply_foundation, plan_foundation
from deploy.foundation.node_needs import Needs, needs_of
from deploy.foundation.nodes_stack import widen_nodes
from localcloud.account import ACCOUNT
from localcloud.patches.iam.policies import Answer, Check, decide, listed, statements
from localcloud.patches.iam.principals import boundary_of, documents_of
from tests.unit.deploy.account.conftest import an_environment_within
from tests.unit.deploy.builders import REGION, the_settings
from tests.unit.deploy.documents.pipeline import Pipeline
from tests.unit.localcloud.conftest import a_world
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

pytestmark = pytest.mark.slow

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret"
OF_AWS = {"embeddings": "local", "answers": "extractive", "index": "s3vectors"}
OF_OTHERS = {
    "embeddings": "openai",
    "answers": "openai",
    "index": "pinecone",
    "pinecone_host": "documents.example.com",
    "openai_secret_arn": f"{SECRET}:openai-abcdef",
    "pinecone_secret_arn": f"{SECRET}:pinecone-abcdef",
}
CASES = {
    "on the cluster": {"runs_on": "ec2", **OF_AWS},
    "on the cluster, with others": {"runs_on": "ec2", **OF_OTHERS},
    "on Fargate": OF_AWS,
    "on Fargate, with others": OF_OTHERS,
}


def with_documents(documents: dict[str, Any]) -> Environment:
    """Return an environment with much that its nodes may, and a pipeline."""
    return an_environment_within(
        documents=documents,
        image={"base_name": "debian-12-*", "base_owner": "136693071363", "documents": True},
        head={"instance_type": "m6i.large", "s3_read": ["lake/training/*"]},
        workers={
            "documents": {
                "instance_types": ["m6i.large"],
                "min": 1,
                "max": 3,
                "s3_read": ["lake/training/*"],
                "s3_write": ["lake/results/*"],
            }
        },
        network={"operator_cidrs": ["10.77.0.1/32"], "endpoints": False, "nat": True},
    )


def deploy(environment: Environment, clock: FakeClock) -> None:
    """Create the stacks, without instances."""
    clients = Clients(REGION)
    set_up_account(clients, environment, clock=clock, progress=Silent())
    plan = plan_foundation(clients, environment, clock=clock)
    foundation = apply_foundation(clients, environment, plan, clock=clock)
    needs = needs_of(the_settings(environment))
    foundation = widen_nodes(clients, environment, foundation, Needs(), needs, clock=clock)
    Pipeline(clock).apply(environment, cluster=foundation)


def beyond() -> Iterator[str]:
    """Yield what a role's policies allow and its boundary does not: action and resource."""
    for role in iam_backends[ACCOUNT]["aws"].roles.values():
        if boundary := boundary_of(ACCOUNT, role):
            for document in documents_of(role):
                for check in asked(document):
                    if decide([boundary], check) is not Answer.ALLOWED:
                        yield f"{role.name}: {check.action} on {check.resource}"


def asked(document: str) -> Iterator[Check]:
    """Yield one request of each kind that the policy allows, as its conditions want it."""
    for statement in statements(document):
        if statement["Effect"] == "Allow":
            keys = dict(wanted(statement.get("Condition", {})))
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    some = resource if resource == "*" else one_of(resource)
                    yield Check(one_of(action), some, keys)


def wanted(conditions: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for operator, keys in conditions.items():
        if operator.rpartition(":")[2] in ("StringEquals", "StringLike", "ArnEquals", "ArnLike"):
            for key, values in keys.items():
                yield key.lower(), (one_of(listed(values)[0]),)


def one_of(pattern: str) -> str:
    return pattern.replace("*", "x")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.mark.parametrize("documents", CASES.values(), ids=CASES)
def test_it_admits_all_that_the_roles_of_the_stacks_may(
    clock: FakeClock, documents: dict[str, Any]
) -> None:
    with a_world(clock, FakeDriver(clock)):
        deploy(with_documents(documents), clock)

        assert list(beyond()) == []
