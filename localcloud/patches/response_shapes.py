"""What AWS's answers always have, and moto's leave out.

tests/recordings holds the answers against recorded ones of AWS. Each member is described with its
data type or operation:

- VolumeAttachment (DeleteOnTermination), Volume (SnapshotId), RouteTable (PropagatingVgws),
  Instance (HibernationOptions), InstanceNetworkInterface (Association, only with a public address)
  and Image: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Types.html
- https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListInstanceProfiles.html (IsTruncated)
- https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ReplicationGroup.html
- https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html (RevisionId)
- https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html (KeyUsage's default)
- https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html (Unit's)
- https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Cluster.html (statistics)
- https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html (Marker and Prefix)
- https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html
"""

from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

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
from moto.s3.models import FakeKey
from moto.s3.responses import S3Response

from localcloud.world import World

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
    """ListObjects says which prefix and marker it was asked for, also when that was none."""
    if self.data.get("Action") == "ListObjects":
        answer.result.setdefault("Prefix", "")
        answer.result["Marker"] = self.querystring.get("marker", [""])[0]
    return serialized(self, answer)


def _list_instance_profiles(listed: Any, self: Any) -> Any:
    answer = listed(self)
    answer.result["IsTruncated"] = False
    return answer


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
    listed, get = IamResponse.list_instance_profiles, LambdaFunction.get_configuration
    serialized = S3Response.serialized
    VolumeAttachment.delete_on_termination = property(_delete_on_termination)
    RouteTable.propagating_vgws = ()
    ReplicationGroup.pending_modified_values = {}
    NetworkInterface.association = property(lambda self: _public_association(associated, self))
    AmiBackend.register_image = lambda self, *a, **k: _register_image(register, self, *a, **k)
    IamResponse.list_instance_profiles = lambda self: _list_instance_profiles(listed, self)
    LambdaFunction.get_configuration = lambda self, on_create=False: _function_configuration(
        get, self, on_create
    )
    S3Response.serialized = lambda self, answer: _serialized(serialized, self, answer)
    Cluster.statistics = ()
    _with_default(Volume, snapshot_id="")
    _with_default(Instance, hibernation_options={"Configured": False})
    _with_default(Key, key_usage="ENCRYPT_DECRYPT")
    _with_default(MetricDatumBase, unit="None")
    _with_default(FakeKey, encryption="AES256")


def attach(world: World) -> None:
    """Nothing happens here by itself."""
