"""An image of one account is promoted to another, and an instance of the copy boots there."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.environment import environment_from
from localcloud.account import ACCOUNT, SECOND_ACCOUNT
from node.contract import VERSION
from tests.cloud.harness import REPOSITORY, Cloud
from tests.cloud.suite_run import toml
from tests.unit.deploy.builders import a_release

CHANNEL = "/raykiln/images/staging"
IDENTITY = "http://169.254.169.254/latest/dynamic/instance-identity/document"
IMDS = "http://169.254.169.254/latest/api/token"
ASK = f"""
token=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {IMDS})
curl -s -H "X-aws-ec2-metadata-token: $token" {IDENTITY}
"""
SOURCE = {"source": "staging", "account_id": ACCOUNT, "region": "us-east-1"}


def tables(account_id: str, **more: Any) -> dict[str, Any]:
    """Return a small environment of an account."""
    return {
        "region": "us-east-1",
        "account_id": account_id,
        "provider": "localcloud",
        "network": {"cidr": "10.77.0.0/16", "operator_cidrs": ["10.77.0.1/32"]},
        "image": {"base_name": "debian-12-*", "base_owner": "136693071363"},
        "head": {"instance_type": "m6i.large"},
        "workers": {"instance_type": "m6i.large", "min": 1, "max": 3},
        "dns": {"zone": "ray.internal"},
        **more,
    }


def write(folder: Path, name: str, content: dict[str, Any]) -> str:
    """Write an environment's file; return what a command takes for it."""
    lines = [f"{key} = {toml(value)}\n" for key, value in content.items()]
    (folder / f"{name}.toml").write_text("".join(lines))
    return str(folder / name)


def invoke(*arguments: str, code: int = 0) -> str:
    """Invoke a command as an operator does; return what it printed and said of errors."""
    command = [sys.executable, "-m", "invoke", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def there(cloud: Cloud) -> Iterator[Cloud]:
    """The same machines as the operator of the second account sees them."""
    second = Cloud(cloud.place, SECOND_ACCOUNT)
    yield second
    second.aws.close()


def tagged(cloud: Cloud, role: str, ami_id: str) -> None:
    """Tag an image and its snapshot, as a bake does."""
    tags = {"role": role, "digest": ami_id.removeprefix("ami-"), "ray-version": "2.60.0"}
    tags |= {"git": "abc", "contract": VERSION, "verified": "2026-11-22T00:00:00Z"}
    pairs = [{"Key": f"raykiln:{key}", "Value": value} for key, value in tags.items()]
    (image,) = cloud.aws.ec2.describe_images(ImageIds=[ami_id])["Images"]
    snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    cloud.aws.ec2.create_tags(Resources=[ami_id, snapshot], Tags=pairs)


def serve(cloud: Cloud, ids: dict[str, str], staging: dict[str, Any]) -> None:
    """Have staging's channel name images, and its pointer say that they are served."""
    for role, ami_id in ids.items():
        entry: dict[str, Any] = {"ami_id": ami_id, "digest": ami_id.removeprefix("ami-")}
        entry |= {"source": "", "since": "2026-11-22T00:00:00Z", "together": ids}
        cloud.aws.ssm.put_parameter(
            Name=f"{CHANNEL}/{role}", Value=json.dumps(entry), Type="String"
        )
    environment = environment_from(staging, Path("staging.toml"))
    cloud.aws.s3.create_bucket(Bucket=environment.bucket)
    release = a_release(ids["head"], ids["worker"])
    body = json.dumps({"release": json.loads(release.to_json())})
    key = "staging/releases/current.json"
    cloud.aws.s3.put_object(Bucket=environment.bucket, Key=key, Body=body)


def test_an_image_of_one_account_boots_in_another(
    cloud: Cloud, there: Cloud, tmp_path: Path
) -> None:
    machine = cloud.booted(cloud.launch())["InstanceId"]
    cloud.on(machine, "echo of the first account >/etc/baked && cloud-init clean --logs")
    ids = {role: cloud.image_of(machine, f"raykiln-{role}") for role in ("head", "worker")}
    for role, ami_id in ids.items():
        tagged(cloud, role, ami_id)
    content = tables(ACCOUNT, account={"copies_to": [SECOND_ACCOUNT]})
    serve(cloud, ids, content)
    staging = write(tmp_path, "staging", content)
    prod = write(tmp_path, "prod", tables(SECOND_ACCOUNT, promotion=SOURCE))
    promote = ("images.promote", "--to", prod, "--from", staging, "--yes")

    refused = invoke(*promote, code=1)
    assert f"staging in {ACCOUNT} us-east-1 shares no images" in refused
    invoke("account.setup", "--env", staging, "--yes")
    invoke(*promote)

    assert "nothing to promote" in invoke(*promote)
    (copy,) = there.aws.ec2.describe_images(
        Owners=["self"], Filters=[{"Name": "tag:raykiln:role", "Values": ["head"]}]
    )["Images"]
    copied = there.booted(there.launch(ImageId=copy["ImageId"]))["InstanceId"]
    assert there.on(copied, "cat /etc/baked") == "of the first account"
    document = json.loads(there.on(copied, ASK))
    assert (document["accountId"], document["imageId"]) == (SECOND_ACCOUNT, copy["ImageId"])
    asked = {"ImageId": ids["head"], "Attribute": "launchPermission"}
    shared = cloud.aws.ec2.describe_image_attribute(**asked)
    assert shared["LaunchPermissions"] == []
    there.terminate(copied)
    cloud.terminate(machine)
