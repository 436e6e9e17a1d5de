"""The metadata service's rules, without machines: who gets an answer, which, and for how long."""

import json
from typing import Any

import pytest

from localcloud.metadata import Metadata, Reply
from localcloud.world import World
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock

TOKEN_PATH = "/latest/api/token"
INSTANCE_ID = "/latest/meta-data/instance-id"

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


class Machine:
    """An instance, and its requests to the metadata service."""

    def __init__(self, metadata: Metadata, instance: Any) -> None:
        self.metadata = metadata
        self.id = str(instance["InstanceId"])
        self.ip = str(instance["PrivateIpAddress"])

    def put(self, ttl: str = "60", path: str = TOKEN_PATH, forwarded: bool = False) -> Reply:
        return self.metadata.put(self.ip, path, ttl, forwarded)

    def token(self, ttl: str = "60") -> str:
        return self.put(ttl).body.decode()

    def get(self, path: str, token: str | None = None) -> Reply:
        return self.metadata.get(self.ip, path, token)

    def read(self, path: str) -> str:
        return self.get(path, self.token()).body.decode()


class Launcher:
    """Launches instances as these tests need them."""

    def __init__(self, ec2: Any, metadata: Metadata, clock: FakeClock) -> None:
        self._ec2, self._metadata, self._clock = ec2, metadata, clock

    def __call__(self, tokens: str = "required", tags: str = "disabled", **more: Any) -> Machine:
        options = {"HttpTokens": tokens, "InstanceMetadataTags": tags}
        answer = self._ec2.run_instances(
            **({"ImageId": "ami-1", "InstanceType": "t3.micro"} | more),
            MinCount=1,
            MaxCount=1,
            MetadataOptions=options,
        )
        self._clock.advance(10)
        return Machine(self._metadata, answer["Instances"][0])


@pytest.fixture
def launch(aws: Clients, world: World, clock: FakeClock) -> Launcher:
    return Launcher(aws("ec2"), Metadata(world), clock)


def test_a_token_opens_the_service(launch: Launcher) -> None:
    machine = launch()

    assert machine.get(INSTANCE_ID).status == 401
    assert machine.get(INSTANCE_ID, machine.token()) == Reply(200, machine.id.encode())


def test_another_instances_token_is_refused(launch: Launcher) -> None:
    one, other = launch(), launch()

    assert one.get(INSTANCE_ID, other.token()).status == 401


def test_a_token_expires_after_its_ttl(launch: Launcher, clock: FakeClock) -> None:
    machine = launch()
    token = machine.token("30")

    clock.advance(29)
    assert machine.get(INSTANCE_ID, token).status == 200
    clock.advance(1)
    assert machine.get(INSTANCE_ID, token).status == 401


@pytest.mark.parametrize("ttl", ["0", "21601", "-1", "", "soon"])
def test_an_invalid_ttl_is_a_bad_request(launch: Launcher, ttl: str) -> None:
    assert launch().put(ttl).status == 400


def test_a_request_that_was_forwarded_gets_no_token(launch: Launcher) -> None:
    assert launch().put(forwarded=True).status == 403


def test_a_wrong_token_is_refused_even_where_none_is_needed(launch: Launcher) -> None:
    machine = launch(tokens="optional")

    assert machine.get(INSTANCE_ID).status == 200
    assert machine.get(INSTANCE_ID, "wrong").status == 401


def test_an_address_without_an_instance_is_refused(launch: Launcher) -> None:
    machine = launch()
    machine.ip = "10.77.200.200"

    assert machine.put().status == 403
    assert machine.get(INSTANCE_ID).status == 403


def test_a_disabled_service_refuses_everything(launch: Launcher, aws: Clients) -> None:
    machine = launch()
    token = machine.token()

    aws("ec2").modify_instance_metadata_options(InstanceId=machine.id, HttpEndpoint="disabled")

    assert machine.get(INSTANCE_ID, token).status == 403


def test_folders_list_their_entries(launch: Launcher) -> None:
    machine = launch()

    assert machine.read("/latest/").split() == ["dynamic/", "meta-data/", "user-data"]
    assert {"instance-id", "placement/", "network/"} <= set(
        machine.read("/latest/meta-data/").split()
    )
    assert machine.get("/latest/meta-data/nothing", machine.token()).status == 404


def test_the_key_is_found_by_number_as_clients_ask_for_it(launch: Launcher, aws: Clients) -> None:
    aws("ec2").create_key_pair(KeyName="mine", KeyType="ed25519")
    machine = launch(KeyName="mine")

    assert machine.read("/latest/meta-data/public-keys/") == "0=mine"
    assert machine.read("/latest/meta-data/public-keys/0/") == "openssh-key"
    key = machine.read("/latest/meta-data/public-keys/0/openssh-key")
    assert key.startswith("ssh-ed25519 ")
    assert key.endswith(" mine")


def test_tags_are_shown_only_where_they_are_enabled(launch: Launcher) -> None:
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "a:b", "Value": "c"}]}]

    shown = launch(tags="enabled", TagSpecifications=tags)
    hidden = launch(tags="disabled", TagSpecifications=tags)

    assert shown.read("/latest/meta-data/tags/instance/a:b") == "c"
    path = "/latest/meta-data/tags/instance/a:b"
    assert hidden.get(path, hidden.token()).status == 404


def test_tags_change_at_once_with_those_of_the_instance(launch: Launcher, aws: Clients) -> None:
    machine, ec2 = launch(tags="enabled"), aws("ec2")
    path = "/latest/meta-data/tags/instance/raykiln:autoscaler"
    assert machine.get(path, machine.token()).status == 404

    for value in ("s3://bucket/one.yaml", "s3://bucket/two.yaml"):
        tag = {"Key": "raykiln:autoscaler", "Value": value}
        ec2.create_tags(Resources=[machine.id], Tags=[tag])
        assert machine.read(path) == value
    assert machine.read("/latest/meta-data/tags/instance/") == "raykiln:autoscaler"
    ec2.delete_tags(Resources=[machine.id], Tags=[{"Key": "raykiln:autoscaler"}])
    assert machine.get(path, machine.token()).status == 404


def test_user_data_comes_back_as_it_was_given(launch: Launcher) -> None:
    machine = launch(UserData="#cloud-config\n{}\n")

    assert machine.read("/latest/user-data") == "#cloud-config\n{}\n"
    without = launch()
    assert without.get("/latest/user-data", without.token()).status == 404


def test_binary_user_data_is_not_changed(launch: Launcher) -> None:
    data = bytes(range(256))
    machine = launch(UserData=data)

    assert machine.get("/latest/user-data", machine.token()).body == data


def test_the_role_of_the_profile_is_assumed_and_renewed_before_it_expires(
    launch: Launcher, aws: Clients, clock: FakeClock
) -> None:
    iam = aws("iam")
    iam.create_role(RoleName="node", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.create_instance_profile(InstanceProfileName="node")
    iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
    machine = launch(IamInstanceProfile={"Name": "node"})
    place = "/latest/meta-data/iam/security-credentials/"

    assert machine.read(place) == "node"
    first = json.loads(machine.read(f"{place}node"))
    assert json.loads(machine.read(f"{place}node")) == first
    clock.advance(6 * 3600 - 5 * 60, every=3600)
    second = json.loads(machine.read(f"{place}node"))

    assert second["AccessKeyId"] != first["AccessKeyId"]
    assert second["Expiration"] > first["Expiration"]


def test_without_a_profile_there_are_no_credentials(launch: Launcher) -> None:
    machine = launch()

    assert machine.get("/latest/meta-data/iam/", machine.token()).status == 404
