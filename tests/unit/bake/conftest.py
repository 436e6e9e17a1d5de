"""An AWS of the test's own for bake's reading and writing of EC2."""

from datetime import UTC, datetime

import pytest
from moto.ec2.models import ec2_backends

from common.clients import Clients
from localcloud.world import World
from tests.unit.deploy.builders import ACCOUNT, REGION
from tests.unit.localcloud.conftest import clock, driver, world  # noqa: F401 - fixtures


@pytest.fixture
def clients(world: World) -> Clients:  # noqa: F811 - a fixture
    """Clients of the world that every test here has to itself."""
    return Clients(REGION)


def register(clients: Clients, role: str, *, verified: bool = True) -> str:
    """Put an image into the catalog, each newer than the one before, and return its id."""
    ec2 = clients("ec2")
    count = len(ec2.describe_images(Owners=["self"])["Images"])
    ami_id = str(ec2.register_image(Name=f"ray-{role}-{count}")["ImageId"])
    # RegisterImage forgets the one in moto, and has all made in the same second.
    image = ec2_backends[ACCOUNT][REGION].amis[ami_id]
    image.architecture, image.creation_date = "x86_64", datetime(2026, 11, 1 + count, tzinfo=UTC)
    tags = {"role": role, "digest": f"{count:064}", "ray-version": "2.60.0", "git": "abc"}
    if verified:
        tags["verified"] = "2026-11-22T00:00:00Z"
    pairs = [{"Key": f"raykiln:{key}", "Value": value} for key, value in tags.items()]
    ec2.create_tags(Resources=[ami_id], Tags=pairs)
    return ami_id
