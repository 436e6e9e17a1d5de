"""Launch template content: unchanged after conversion to AWS's form and back."""

from base64 import b64decode
from dataclasses import replace
from typing import Any

import pytest
import yaml

from deploy.cluster.launch_template import TemplateVersion
from deploy.foundation.nodes_template import logical_id
from deploy.release.settings import Volume
from deploy.release.template_content import TemplateContent, content_of, template_data
from tests.unit.deploy.builders import a_desired_state, a_foundation, a_group, a_release

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"


def worker() -> TemplateContent:
    return a_desired_state().worker_content(a_foundation(), a_group())


def head() -> TemplateContent:
    tags = tuple(sorted(a_desired_state().tags("head").items()))
    return replace(worker(), ends_on_shutdown=False, tags=tags)


def with_hardware() -> TemplateContent:
    """Return all of it at once."""
    return replace(
        worker(),
        volume_iops=6000,
        volume_throughput=500,
        volume_initialization_rate=300,
        kms_key=KEY,
        placement_group="raykiln-dev-train",
        efa_interfaces=4,
        capacity_reservation_id="cr-0123456789abcdef0",
    )


@pytest.mark.parametrize("content", [worker(), head(), with_hardware()])
def test_content_is_read_back_unchanged(content: TemplateContent) -> None:
    assert content_of(template_data(content)) == content


@pytest.mark.parametrize(
    "by_hand",
    [
        {"KeyName": "mine"},
        {"MetadataOptions": {"HttpTokens": "optional"}},
        {"InstanceInitiatedShutdownBehavior": "stop"},
        {"TagSpecifications": []},
        {"BlockDeviceMappings": []},
        {"UserData": ""},
    ],
)
def test_a_version_made_by_hand_does_not_match(by_hand: dict[str, Any]) -> None:
    assert content_of(template_data(worker()) | by_hand) != worker()


def test_what_a_version_does_not_say_is_what_we_never_set() -> None:
    assert content_of({}) == TemplateContent(
        ami_id="",
        instance_type="",
        profile_arn="",
        security_group_ids=(),
        user_data="",
        root_device="",
        volume_gib=0,
        tags=(),
        ends_on_shutdown=False,
        tokens="",
        hop_limit=0,
        metadata_tags="",
        encrypted=False,
        volume_type="",
        monitored=False,
    )


def test_a_worker_is_launched_with_these_data() -> None:
    tags = [
        {"Key": "Name", "Value": "ray-worker-dev"},
        {"Key": "project", "Value": "raykiln"},
        {"Key": "raykiln:content", "Value": worker().digest},
        {"Key": "raykiln:environment", "Value": "dev"},
        {"Key": "raykiln:group", "Value": "worker"},
        {"Key": "raykiln:role", "Value": "worker"},
    ]
    data = template_data(worker())

    assert b64decode(data.pop("UserData")).decode() == worker().user_data
    assert data == {
        "ImageId": "ami-worker",
        "IamInstanceProfile": {"Arn": "arn:aws:iam::123456789012:instance-profile/worker"},
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required",
            "HttpPutResponseHopLimit": 1,
            "InstanceMetadataTags": "enabled",
        },
        "BlockDeviceMappings": [
            {
                "DeviceName": "/dev/xvda",
                "Ebs": {
                    "VolumeSize": 20,
                    "VolumeType": "gp3",
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
        "Monitoring": {"Enabled": True},
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": tags},
            {"ResourceType": "volume", "Tags": tags},
        ],
        "InstanceInitiatedShutdownBehavior": "terminate",
        "SecurityGroupIds": ["sg-worker"],
    }


def test_volumes_are_encrypted_and_deleted_with_their_instance() -> None:
    (mapping,) = template_data(worker())["BlockDeviceMappings"]

    assert mapping["Ebs"]["Encrypted"]
    assert mapping["Ebs"]["DeleteOnTermination"]


def test_a_volume_has_what_is_asked_for_and_otherwise_gp3s_own() -> None:
    (plain,), (asked,) = (
        template_data(content)["BlockDeviceMappings"] for content in (worker(), with_hardware())
    )

    assert asked["Ebs"] == plain["Ebs"] | {
        **{"Iops": 6000, "Throughput": 500},
        **{"VolumeInitializationRate": 300, "KmsKeyId": KEY},
    }
    assert not {"Iops", "Throughput", "KmsKeyId"} & plain["Ebs"].keys()


def test_an_instance_with_efa_has_an_interface_on_each_network_card() -> None:
    data = template_data(replace(worker(), efa_interfaces=2))

    # Groups belong to the interfaces then, and the subnet is named at launch.
    assert "SecurityGroupIds" not in data
    assert data["NetworkInterfaces"] == [
        {
            "NetworkCardIndex": 0,
            "DeviceIndex": 0,
            "InterfaceType": "efa",
            "Groups": ["sg-worker"],
            "DeleteOnTermination": True,
        },
        {
            "NetworkCardIndex": 1,
            "DeviceIndex": 1,
            "InterfaceType": "efa-only",
            "Groups": ["sg-worker"],
            "DeleteOnTermination": True,
        },
    ]


def test_instances_are_placed_close_together_on_what_is_reserved() -> None:
    data = template_data(with_hardware())

    assert data["Placement"] == {"GroupName": "raykiln-dev-train"}
    assert data["CapacityReservationSpecification"] == {
        "CapacityReservationTarget": {"CapacityReservationId": "cr-0123456789abcdef0"}
    }


@pytest.mark.parametrize(
    ("by_hand", "named"),
    [
        ({"Placement": {"GroupName": "raykiln-dev-train", "Tenancy": "dedicated"}}, "Placement"),
        (
            {"CapacityReservationSpecification": {"CapacityReservationPreference": "none"}},
            "CapacityReservationSpecification",
        ),
        ({"NetworkInterfaces": [{"DeviceIndex": 0, "SubnetId": "subnet-a"}]}, "NetworkInterfaces"),
        ({"Monitoring": {"Enabled": True}, "KeyName": "mine"}, "KeyName"),
    ],
)
def test_what_a_version_by_hand_sets_besides_is_named(by_hand: dict[str, Any], named: str) -> None:
    assert content_of(template_data(with_hardware()) | by_hand).others == (named,)


def test_a_release_s_volumes_and_hardware_are_in_its_templates() -> None:
    release = a_release(head_volume=Volume(30, 4000, 250, 100), kms_key=KEY)
    group = a_group(
        volume=Volume(200, 6000, 500),
        efa_interfaces=1,
        capacity_reservation_id="cr-0123456789abcdef0",
    )
    release = replace(release, settings=replace(release.settings, groups=(group,)))
    desired = a_desired_state(release)

    foundation = replace(a_foundation(), nodes={logical_id("worker", "SecurityGroup"): "sg-efa"})

    heads = desired.head_content(foundation)
    workers = desired.worker_content(foundation, group)

    assert (heads.volume_gib, heads.volume_iops, heads.volume_throughput) == (30, 4000, 250)
    assert (workers.volume_gib, workers.volume_iops, workers.volume_throughput) == (200, 6000, 500)
    assert (heads.volume_initialization_rate, workers.volume_initialization_rate) == (100, 0)
    assert heads.kms_key == workers.kms_key == KEY
    assert (heads.efa_interfaces, workers.efa_interfaces) == (0, 1)
    assert workers.capacity_reservation_id == "cr-0123456789abcdef0"


def test_a_placed_group_is_in_the_placement_group_of_its_own() -> None:
    group = a_group(name="train", placement="cluster")
    foundation = replace(a_foundation(), nodes={logical_id("train", "PlacementGroup"): "pg-made"})

    assert a_desired_state().worker_content(foundation, group).placement_group == "pg-made"


def test_the_autoscaler_launches_efa_with_the_interfaces_of_the_template() -> None:
    group = a_group(efa_interfaces=2)
    nodes = {logical_id(group.name, "SecurityGroup"): "sg-efa"}
    foundation = replace(a_foundation(), nodes=nodes)
    desired = a_desired_state(a_release(groups=(group,)))
    content = desired.worker_content(foundation, group)

    document = desired.autoscaler(foundation, {group.name: TemplateVersion("lt-1", 1, content)})

    types = yaml.safe_load(document.body)["available_node_types"]
    assert (
        types["worker"]["node_config"]["NetworkInterfaces"]
        == (template_data(content)["NetworkInterfaces"])
    )
    assert content.security_group_ids == ("sg-worker", "sg-efa")


def test_workers_terminate_on_shutdown_and_heads_do_not() -> None:
    assert template_data(worker())["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert "InstanceInitiatedShutdownBehavior" not in template_data(head())


def test_no_template_has_ray_s_node_tags() -> None:
    """The autoscaler would terminate a standby with them as a second head."""
    assert not [key for key, _ in (*worker().tags, *head().tags) if key.startswith("ray-")]


def test_another_content_has_another_digest() -> None:
    assert worker().digest != replace(worker(), ami_id="ami-2").digest
