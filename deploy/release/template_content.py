"""The content of a launch template, and its form in AWS's API. Pure: no AWS.

An existing version is parsed into the same ``TemplateContent``, so that versions are compared by
meaning.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from deploy.release.release import content_id

TAGGED = ("instance", "volume")
CONTENT_TAG = "raykiln:content"
# The keys of LaunchTemplateData that we set.
OURS = frozenset(
    {
        "ImageId",
        "InstanceType",
        "IamInstanceProfile",
        "SecurityGroupIds",
        "NetworkInterfaces",
        "Placement",
        "CapacityReservationSpecification",
        "UserData",
        "MetadataOptions",
        "BlockDeviceMappings",
        "Monitoring",
        "TagSpecifications",
        "InstanceInitiatedShutdownBehavior",
    }
)
# Of these, those in which a version by hand may say more than we do.
WHERE = ("NetworkInterfaces", "Placement", "CapacityReservationSpecification")


@dataclass(frozen=True)
class TemplateContent:
    """The settings of a launch template that are ours.

    ``others`` names what an existing version sets besides; we never set any.
    """

    ami_id: str
    # Empty: named at each launch.
    instance_type: str
    profile_arn: str
    security_group_ids: tuple[str, ...]
    user_data: str
    root_device: str
    volume_gib: int
    tags: tuple[tuple[str, str], ...]
    # Workers shut down to terminate; the head's group terminates its own instances.
    ends_on_shutdown: bool
    # Only IMDSv2, one hop: no container or proxy on a node needs it.
    # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-options.html
    tokens: str = "required"
    hop_limit: int = 1
    metadata_tags: str = "enabled"
    encrypted: bool = True
    volume_type: str = "gp3"
    monitored: bool = True
    volume_iops: int = 0  # 0: gp3's own
    volume_throughput: int = 0  # MiB/s; 0: gp3's own
    volume_initialization_rate: int = 0  # MiB/s; 0: EBS's own
    kms_key: str = ""  # empty: the account's default key for EBS
    placement_group: str = ""
    efa_interfaces: int = 0
    capacity_reservation_id: str = ""
    others: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """The content's id; the tag that holds this id is not part of it."""
        tags = [tag for tag in self.tags if tag[0] != CONTENT_TAG]
        return content_id(json.dumps(asdict(self) | {"tags": tags}, sort_keys=True))

    def named(self) -> "TemplateContent":
        """Return the content with the tag that says what an instance was launched with."""
        tags = {**dict(self.tags), CONTENT_TAG: self.digest}
        return replace(self, tags=tuple(sorted(tags.items())))


def template_data(content: TemplateContent) -> dict[str, Any]:
    """Return the content as LaunchTemplateData."""
    data: dict[str, Any] = {
        "ImageId": content.ami_id,
        "IamInstanceProfile": {"Arn": content.profile_arn},
        "UserData": b64encode(content.user_data.encode()).decode(),
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": content.tokens,
            "HttpPutResponseHopLimit": content.hop_limit,
            "InstanceMetadataTags": content.metadata_tags,
        },
        "BlockDeviceMappings": [
            {
                "DeviceName": content.root_device,
                "Ebs": {
                    "VolumeSize": content.volume_gib,
                    "VolumeType": content.volume_type,
                    "Encrypted": content.encrypted,
                    "DeleteOnTermination": True,
                    **_given(
                        Iops=content.volume_iops,
                        Throughput=content.volume_throughput,
                        VolumeInitializationRate=content.volume_initialization_rate,
                        KmsKeyId=content.kms_key,
                    ),
                },
            }
        ],
        "Monitoring": {"Enabled": content.monitored},
        "TagSpecifications": [
            {"ResourceType": kind, "Tags": tag_list(content.tags)} for kind in TAGGED
        ],
    }
    if content.instance_type:
        data["InstanceType"] = content.instance_type
    if content.ends_on_shutdown:
        data["InstanceInitiatedShutdownBehavior"] = "terminate"
    return data | _where(content)


def network_interfaces(content: TemplateContent) -> list[dict[str, Any]]:
    """Return the interfaces of an instance with EFA, one on each network card; otherwise none.

    All but the first carry nothing but EFA, and so need no address.
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-acc-inst-types.html
    """
    return [
        {
            "NetworkCardIndex": card,
            "DeviceIndex": min(card, 1),
            "InterfaceType": "efa-only" if card else "efa",
            "Groups": list(content.security_group_ids),
            "DeleteOnTermination": True,
        }
        for card in range(content.efa_interfaces)
    ]


def _where(content: TemplateContent) -> dict[str, Any]:
    """Return where instances are: in which network, close to which others, on what is reserved.

    Security groups belong to the interfaces where a template has some:
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RequestLaunchTemplateData.html
    """
    interfaces, reserved = network_interfaces(content), content.capacity_reservation_id
    return _given(
        NetworkInterfaces=interfaces,
        SecurityGroupIds=[] if interfaces else list(content.security_group_ids),
        Placement=_given(GroupName=content.placement_group),
        CapacityReservationSpecification=(
            {"CapacityReservationTarget": {"CapacityReservationId": reserved}} if reserved else {}
        ),
    )


def _given(**values: Any) -> dict[str, Any]:
    """Return what is not empty."""
    return {key: value for key, value in values.items() if value}


def content_of(data: dict[str, Any]) -> TemplateContent:
    """Parse LaunchTemplateData; missing keys become values that we never set."""
    metadata = data.get("MetadataOptions", {})
    mappings = data.get("BlockDeviceMappings", [])
    root = mappings[0] if mappings else {}
    volume = root.get("Ebs", {})
    interfaces = data.get("NetworkInterfaces", [])
    reservation = data.get("CapacityReservationSpecification", {})
    content = TemplateContent(
        ami_id=data.get("ImageId", ""),
        instance_type=data.get("InstanceType", ""),
        profile_arn=data.get("IamInstanceProfile", {}).get("Arn", ""),
        security_group_ids=tuple(
            interfaces[0].get("Groups", []) if interfaces else data.get("SecurityGroupIds", [])
        ),
        user_data=b64decode(data.get("UserData", "")).decode(errors="replace"),
        root_device=root.get("DeviceName", ""),
        volume_gib=int(volume.get("VolumeSize", 0)),
        tags=_tags(data),
        ends_on_shutdown=data.get("InstanceInitiatedShutdownBehavior") == "terminate",
        tokens=metadata.get("HttpTokens", ""),
        hop_limit=int(metadata.get("HttpPutResponseHopLimit", 0)),
        metadata_tags=metadata.get("InstanceMetadataTags", ""),
        encrypted=_true(volume.get("Encrypted")),
        volume_type=volume.get("VolumeType", ""),
        monitored=_true(data.get("Monitoring", {}).get("Enabled")),
        volume_iops=int(volume.get("Iops", 0)),
        volume_throughput=int(volume.get("Throughput", 0)),
        volume_initialization_rate=int(volume.get("VolumeInitializationRate", 0)),
        kms_key=volume.get("KmsKeyId", ""),
        placement_group=data.get("Placement", {}).get("GroupName", ""),
        efa_interfaces=len(interfaces),
        capacity_reservation_id=reservation.get("CapacityReservationTarget", {}).get(
            "CapacityReservationId", ""
        ),
    )
    return replace(content, others=_others(data, content))


def tag_list(tags: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return tags in EC2's format."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags)]


def _tags(data: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the instances' tags; none when the volumes' differ, which ours never do."""
    found = {
        spec["ResourceType"]: tuple(sorted((t["Key"], t["Value"]) for t in spec.get("Tags", [])))
        for spec in data.get("TagSpecifications", [])
    }
    same = len(set(found.values())) == 1 and set(found) == set(TAGGED)
    return found["instance"] if same else ()


def _others(data: dict[str, Any], content: TemplateContent) -> tuple[str, ...]:
    """Name what a version sets besides our settings."""
    extra = [key for key, value in data.items() if key not in OURS and value]
    ours = _where(content)
    extra += [key for key in WHERE if data.get(key) and data[key] != ours.get(key)]
    more = ["more volumes"] if len(data.get("BlockDeviceMappings", [])) > 1 else []
    return (*sorted(extra), *more)


def _true(value: object) -> bool:
    return str(value).lower() == "true"
