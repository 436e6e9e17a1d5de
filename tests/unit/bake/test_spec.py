"""What Packer is given for an image, value by value."""

from pathlib import Path

from bake.owner import this_process
from bake.wanted import WantedImage
from common.checkout import REPOSITORY
from tests.unit.bake.test_build import a_build_spec


def test_packer_gets_all_that_shapes_an_image(tmp_path: Path) -> None:
    assert a_build_spec(tmp_path, WantedImage("worker", "gpu")).variables() == {
        "role": "worker",
        "image": "gpu",
        "slug": "worker-gpu",
        "digest": "a" * 64,
        "repository": str(REPOSITORY),
        "wheels": f"{tmp_path}/wheelhouse/wheels",
        "requirements": f"{tmp_path}/wheelhouse/requirements.txt",
        "additions": f"{tmp_path}/additions",
        "added_wheels": f"{tmp_path}/added/wheels",
        "scripts": ["10-one.sh"],
        "output": str(tmp_path),
        "region": "us-east-1",
        "source_ami": "ami-0123456789abcdef0",
        "root_device": "/dev/xvda",
        "instance_type": "m6i.large",
        "subnet_id": "subnet-1",
        "source_cidrs": ["10.77.0.1/32"],
        "ssh_username": "admin",
        "ssh_timeout": "600s",
        "volume_gib": 20,
        "encrypted": True,
        "kms_key": "",
        "python": "3.12",
        "ray_version": "2.60.0",
        "ssm_agent_required": True,
        "bake_id": str(this_process()),
        "stamp": "20261122120000",
        "source_date_epoch": 0,
        "deprecate_at": "2027-11-22T12:00:00Z",
        "description": "Ray 2.60.0 worker",
        "git": "abc",
        "tags": {"project": "raykiln"},
    }
