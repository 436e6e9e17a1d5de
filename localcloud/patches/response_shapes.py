"""What AWS's answers always have, and moto's leave out.

tests/recordings holds the answers against recorded ones of AWS. Each member is described with its
data type or operation:

- VolumeAttachment (DeleteOnTermination), Volume (SnapshotId), RouteTable (PropagatingVgws),
  Instance (HibernationOptions), InstanceNetworkInterface (Association, only with a public address)
  and Image: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Types.html
- https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_LaunchConfiguration.html (what is
  empty in the sample of DescribeLaunchConfigurations)
- https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfiles.html and
  https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListAccessKeys.html (IsTruncated)
- https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ReplicationGroup.html
- https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html (RevisionId)
- https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html (KeyUsage's default)
- https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html (Unit's)
- https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Cluster.html (statistics)
- https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html (Marker and Prefix)
- https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html (the next markers)
- https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html (each bucket and
  each object is encrypted, with S3's own keys unless others were chosen)
"""

from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from moto.autoscaling.models import FakeLaunchConfiguration
from moto.awslambda.models import LambdaFunction
from moto.cloudwatch.models import MetricDatumBase
from moto.ec2.models.amis import AmiBackend
from moto.ec2.models.elastic_block_store import Volume, VolumeAttachment
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instances import Instance
from moto.ec2.models.route_tables import RouteTable
from moto.ecs.models import Cluster
from moto.elasticache.models import ReplicationGroup
from moto.iam.responses import IamResponse
from moto.kms.models import Key
from moto.s3.models import FakeKey, S3Backend
from moto.s3.responses import S3Response

from localcloud.world import World

S3_OWN_KEYS = {"Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}}
NO_VPC: dict[str, Any] = {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": ""}


def _with_default(kind: type, **defaults: Any) -> None:
    """Have new objects of a class hold a default where moto leaves nothing."""
    begin: Callable[..., None] = kind.__init__  # type: ignore[misc] # of the class itself

    def filled(self: Any, *arguments: Any, **keywords: Any) -> None:
        begin(self, *arguments, **keywords)
        for name, value in defaults.items():
            if not getattr(self, name, None):
                setattr(self, name, value)

    setattr(kind, "__init__", filled)  # noqa: B010


def _delete_on_termination(self: Any) -> bool:
    attached = self.instance.block_device_mapping.get(self.device)
    return bool(attached and attached.delete_on_termination)


def _public_association(association: Any, self: Any) -> dict[str, Any] | None:
    found: dict[str, Any] = association(self)
    return found or None


def _register_image(register: Any, self: Any, *arguments: Any, **keywords: Any) -> Any:
    """RegisterImage makes an image backed by EBS, whose location is its owner's and its name."""
    image = register(self, *arguments, **keywords)
    image.hypervisor, image.virtualization_type, image.root_device_type = "xen", "hvm", "ebs"
    image.image_location = f"{image.owner_id}/{image.name}"
    return image


def _serialized(serialized: Any, self: Any, answer: Any) -> Any:
    """ListObjects says which prefix and marker it was asked for, also when that was none.

    ListMultipartUploads says where the next one would begin; here, where all are listed, nowhere.
    """
    if self.data.get("Action") == "ListMultipartUploads":
        answer.result.update(NextKeyMarker="", NextUploadIdMarker="")
    if self.data.get("Action") == "ListObjects":
        answer.result.setdefault("Prefix", "")
        answer.result["Marker"] = self.querystring.get("marker", [""])[0]
    return serialized(self, answer)


def _list_whole(listed: Any) -> Any:
    """Return a listing of IAM's that says that it is the whole."""

    def whole(self: Any) -> Any:
        answer = listed(self)
        answer.result["IsTruncated"] = False
        return answer

    return whole


def _function_configuration(get: Any, self: Any, on_create: bool = False) -> dict[str, Any]:
    """The revision changes with the function's code or settings, as its LastModified does."""
    found: dict[str, Any] = get(self, on_create)
    revision = f"{found['FunctionArn']} {found['CodeSha256']} {found['LastModified']}"
    found["RevisionId"] = str(uuid5(NAMESPACE_URL, revision))
    found["VpcConfig"] = found["VpcConfig"] or NO_VPC
    return found


@cache
def install() -> None:
    """Put what is left out into moto's classes."""
    associated, register = NetworkInterface.association.fget, AmiBackend.register_image
    get, encryption = LambdaFunction.get_configuration, S3Backend.get_bucket_encryption
    serialized = S3Response.serialized
    VolumeAttachment.delete_on_termination = property(_delete_on_termination)
    RouteTable.propagating_vgws = ()
    ReplicationGroup.pending_modified_values = {}
    NetworkInterface.association = property(lambda self: _public_association(associated, self))
    AmiBackend.register_image = lambda self, *a, **k: _register_image(register, self, *a, **k)
    IamResponse.list_instance_profiles = _list_whole(IamResponse.list_instance_profiles)
    IamResponse.list_access_keys = _list_whole(IamResponse.list_access_keys)
    LambdaFunction.get_configuration = lambda self, on_create=False: _function_configuration(
        get, self, on_create
    )
    S3Backend.get_bucket_encryption = lambda self, name: encryption(self, name) or S3_OWN_KEYS
    S3Response.serialized = lambda self, answer: _serialized(serialized, self, answer)
    Cluster.statistics = ()
    empty = dict.fromkeys(("key_name", "kernel_id", "ramdisk_id", "user_data"), "")
    _with_default(FakeLaunchConfiguration, classic_link_vpc_security_groups=(), **empty)
    _with_default(Volume, snapshot_id="")
    _with_default(Instance, hibernation_options={"Configured": False})
    _with_default(Key, key_usage="ENCRYPT_DECRYPT")
    _with_default(MetricDatumBase, unit="None")
    _with_default(FakeKey, encryption="AES256")


def attach(world: World) -> None:
    """Nothing happens here by itself."""
