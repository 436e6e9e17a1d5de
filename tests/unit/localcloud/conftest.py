"""moto in this process with every patch on it, over fake machines and a fake clock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from localcloud import behaviour, patches
from localcloud.base_image import BaseImage
from localcloud.patches import machine_images
from localcloud.world import World
from localcloud.world import install as install_world
from tests.recordings.held import holding
from tests.simulation import answers
from tests.unit.localcloud.balancers import Balancer
from tests.unit.localcloud.fakes import FakeClock, FakeDriver
from tests.unit.localcloud.groups import Group

Clients = Callable[[str], Any]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def driver(clock: FakeClock) -> FakeDriver:
    return FakeDriver(clock)


@pytest.fixture
def world(clock: FakeClock, driver: FakeDriver) -> Iterator[World]:
    """The world of one test; it steps whenever the clock advances."""
    with a_world(clock, driver) as world:
        yield world


@contextmanager
def a_world(clock: FakeClock, driver: FakeDriver) -> Iterator[World]:
    """A world with nothing in it but base images."""
    world = World(clock, driver)
    install_world(world)
    with pytest.MonkeyPatch.context() as patch, mock_aws(), holding():
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        patches.install(world)
        answers.install()
        clock.listeners.append(world.step)
        for number in range(1, 10):
            machine_images.seed(an_image(f"ami-{number}"))
        yield world


def an_image(ami_id: str) -> BaseImage:
    """A base image of that id; every world has ami-1 to ami-9."""
    digest = ami_id.removeprefix("ami-")
    return BaseImage("12", digest, Path("/nowhere"), datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def aws(world: World) -> Clients:
    """Clients of that world: ``aws("ec2")``."""
    return _client


@cache
def _client(service: str) -> Any:
    """Made once a process: moto answers for the world that is installed."""
    session = boto3.session.Session(
        aws_access_key_id="fake", aws_secret_access_key="fake", region_name="us-east-1"
    )
    return session.client(service)


@pytest.fixture
def group(aws: Clients, clock: FakeClock) -> Group:
    return Group(aws, clock)


@pytest.fixture
def balancer(aws: Clients, clock: FakeClock, driver: FakeDriver) -> Balancer:
    return Balancer(aws, clock, driver)


@pytest.fixture
def serving(balancer: Balancer) -> tuple[Balancer, str]:
    """A load balancer with one healthy target."""
    balancer.create()
    balancer.listen()
    leader = balancer.leader()
    balancer.register(leader)
    balancer.clock.advance(30)
    assert balancer.state(leader) == "healthy"
    return balancer, leader


@pytest.fixture
def like_aws() -> Iterator[None]:
    """The local cloud behaves like AWS: as slow, and failing open."""
    behaviour.install(behaviour.LIKE_AWS)
    yield
    behaviour.install(behaviour.IDEALIZED)
