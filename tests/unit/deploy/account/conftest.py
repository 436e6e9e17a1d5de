"""A whole cluster's life as the deploy role, every request evaluated by IAM."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from common.clients import CONFIG, Clients
from common.environment import Environment
from common.progress import Silent
from deploy.account.account_setup import set_up_account
from deploy.account.desired_account import boundary_arn
from localcloud.patches.iam import enforced, make_user, role_credentials
from localcloud.world import World
from tests.unit.deploy.builders import REGION, an_environment
from tests.unit.deploy.conftest import SMALL, Cluster, FakeNodes, MortalClients, bake
from tests.unit.localcloud.conftest import clock, driver, world  # noqa: F401 - fixtures
from tests.unit.localcloud.fakes import FakeClock, FakeDriver

EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


class CheckedClients(MortalClients):
    """Clients with credentials, whose every request is evaluated."""

    def __init__(self, keys: dict[str, str]) -> None:
        super().__init__(REGION)
        self._keys = keys

    def _make(self, service: str) -> Any:
        client = boto3.client(service, region_name=REGION, config=CONFIG, **self._keys)
        client.meta.events.register("before-send", self._count)
        client.meta.events.register("after-call", self._compare_clocks)
        return client


@dataclass
class Account:
    """The account of the environment dev, whose roles exist."""

    environment: Environment
    administrator: Clients

    def as_role(self, kind: str) -> CheckedClients:
        """Return clients with the credentials of a role: bake, deploy or scientist."""
        role = f"raykiln-{self.environment.name}-{kind}"
        return CheckedClients(role_credentials(role, "somebody"))


def an_environment_within(**changes: Any) -> Environment:
    """Return an environment whose roles have the boundary of its account."""
    boundary = boundary_arn(an_environment())
    given = {
        "network": SMALL,
        "nodes": {"permissions_boundary": boundary},
        # No fake head sends a heartbeat.
        "rollout": {"watch_seconds": 0},
    } | changes
    return an_environment(**given)


@pytest.fixture
def account(world: World, clock: FakeClock) -> Account:  # noqa: F811 - fixtures
    return an_account(clock)


def an_account(clock: FakeClock) -> Account:  # noqa: F811 - a fixture's name
    """Set the account up in the world that is installed."""
    environment = an_environment_within()
    administrator = CheckedClients(make_user("administrator", EVERYTHING))
    set_up_account(administrator, environment, clock=clock, progress=Silent())
    return Account(environment, administrator)


def with_old_packer(account: Account, clock: FakeClock) -> Account:  # noqa: F811 - a fixture's name
    """Let Packer 1.6.6 bake."""
    environment = an_environment_within(account={"old_packer": True})
    set_up_account(account.administrator, environment, clock=clock, progress=Silent())
    return Account(environment, account.administrator)


@pytest.fixture
def deployed_by_role(
    account: Account,
    clock: FakeClock,  # noqa: F811 - fixtures
    driver: FakeDriver,  # noqa: F811 - fixtures
) -> Iterator[Cluster]:
    """A cluster whose operator is the deploy role; its nodes act as an administrator."""
    clients = account.as_role("deploy")
    nodes = FakeNodes(driver, account.administrator)
    clock.listeners.append(nodes.step)
    for role in ("head", "worker"):
        bake(account.administrator, role)
    with enforced():
        yield Cluster(account.environment, clock, nodes, clients)
