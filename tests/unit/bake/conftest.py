"""A simulated AWS per test, for bake's reads and writes of EC2."""

from datetime import UTC, datetime

import pytest
from moto.ec2.models import ec2_backends

from common.clients import Clients
from localcloud.world import World
from node.contract import VERSION
from tests.unit.deploy.builders import ACCOUNT, REGION
from tests.unit.localcloud.conftest import clock, driver, world  # noqa: F401 - fixtures


@pytest.fixture
def clients(world: World) -> Clients:  # noqa: F811 - a fixture
    """Clients of the test's own simulated AWS."""
    return Clients(REGION)


def register(clients: Clients, role: str, *, verified: bool = True, **others: str) -> str:
    """Register an image, newer than all before it, and return its id; ``others`` are its tags."""
    ec2 = clients("ec2")
    count = len(ec2.describe_images(Owners=["self"])["Images"])
    ami_id = str(ec2.register_image(Name=f"ray-{role}-{count}")["ImageId"])
    # moto's RegisterImage ignores the architecture, and gives all images the same second.
    image = ec2_backends[ACCOUNT][REGION].amis[ami_id]
    image.architecture, image.creation_date = "x86_64", datetime(2026, 11, 1 + count, tzinfo=UTC)
    tags = {"role": role, "digest": f"{count:064}", "ray-version": "2.60.0", "git": "abc"}
    tags |= {"contract": VERSION, **others}
    if verified:
        tags["verified"] = "2026-11-22T00:00:00Z"
    pairs = [{"Key": f"raykiln:{key}", "Value": value} for key, value in tags.items()]
    ec2.create_tags(Resources=[ami_id], Tags=pairs)
    return ami_id
