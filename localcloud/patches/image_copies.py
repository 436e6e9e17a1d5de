"""Images and snapshots that are shared with other accounts, and copied to them or to other regions.

- CopyImage reads an image of the caller's own, or one whose owner shares it and its snapshot:
  https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/CopyingAMIs.html. The copy is ``pending``
  until its snapshot is complete. It has the original's devices, and of its tags, permissions and
  attributes none; whether it is to require tokens (imds-support), AWS's pages do not say.
- What is encrypted is copied with the caller's right to use its key, or else the copy fails in the
  background; it is never copied unencrypted. A copy has the key that is asked for, or the account's
  default: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/AMIEncryption.html,
  https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html
- No snapshot that is encrypted with AWS's own key is shared:
  https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySnapshotAttribute.html
- A region makes 20 copies of snapshots at once (https://docs.aws.amazon.com/general/latest/gr/ebs-service.html).

moto copies any image of the account at once, without tags, and shares all.
"""

from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError, InvalidAMIIdError
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.models.elastic_block_store import EBSBackend, Snapshot
from moto.ec2.responses.amis import AmisResponse
from moto.ec2.utils import random_ami_id
from moto.kms.models import kms_backends

from localcloud.account import ec2_backends_in_use
from localcloud.driver import Copying
from localcloud.patches.iam import caller_may
from localcloud.patches.kms_grants import is_aws_managed
from localcloud.patches.machine_images import require_unused_name, root_gib
from localcloud.patches.volume_keys import CREATE_GRANT, USES
from localcloud.world import World, current

AT_ONCE = 20
SNAPSHOT = "Copied for DestinationAmi {} from SourceAmi {} for SourceSnapshot {}."


def _copy_image(self: Any) -> ActionResult:
    backend, name = self.ec2_backend, self._get_param("Name")
    source = _readable(backend, self._get_param("SourceImageId"), self._get_param("SourceRegion"))
    key = _key_of_copy(self, source)
    require_unused_name(backend, name)
    pending = [ami for ami in backend.amis.values() if ami.state == "pending"]
    if len(pending) >= AT_ONCE:
        raise EC2ClientError(
            "ResourceLimitExceeded", "Too many snapshot copies in progress to this region."
        )
    self.error_on_dryrun()
    made = _made(backend, source, name, self._get_param("Description"))
    made.ebs_snapshot.kms_key_id, made.ebs_snapshot.encrypted = key or None, bool(key)
    made.root_volume.encrypted = bool(key)
    for spec in self._get_param("TagSpecifications", []):
        tags = {tag["Key"]: tag["Value"] for tag in spec["Tags"]}
        (made if spec["ResourceType"] == "image" else made.ebs_snapshot).add_tags(tags)
    made.is_unreadable = not _may_read(self, source.ebs_snapshot)
    if not made.is_unreadable:
        current().driver.copy_image(source.id, made.id)
    return ActionResult({"ImageId": made.id})


def _readable(backend: Any, ami_id: str, region: str) -> Any:
    """Return the image to copy, which the caller's account must have or be shared."""
    account = backend.account_id
    found = [b[region].amis[ami_id] for b in ec2_backends.values() if ami_id in b[region].amis]
    is_shared = found and (found[0].is_public or {"UserId": account} in found[0].launch_permissions)
    if not found or not (found[0].owner_id == account or is_shared):
        raise InvalidAMIIdError(ami_id)
    (image,) = found
    snapshot = image.ebs_snapshot
    if image.owner_id != account and account not in snapshot.create_volume_permission_userids:
        raise EC2ClientError(
            "InvalidRequest", "You do not have permission to access the storage of this ami"
        )
    if image.state != "available":
        raise EC2ClientError("InvalidAMIID.Unavailable", f"The image '{ami_id}' is {image.state}.")
    return image


def _key_of_copy(response: Any, source: Any) -> str:
    """Return the ARN of the key that the copy is encrypted with; empty: it is not encrypted."""
    backend, given = response.ec2_backend, response._get_param("KmsKeyId")
    asked = response._get_bool_param("Encrypted")
    if given and not asked:
        raise EC2ClientError(
            "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set.",
        )
    if not (asked or source.ebs_snapshot.encrypted):
        return ""
    if not given:
        return str(backend.default_kms_key_id or backend._create_default_encryption_key())
    keys = kms_backends[backend.account_id][backend.region_name].keys
    key = keys.get(given.rpartition("/")[2])
    if key is None or key.key_state != "Enabled":
        raise EC2ClientError("InvalidParameterValue", f"The KMS key {given} is not usable.")
    return str(key.arn)


def _made(backend: Any, source: Any, name: str, description: str | None) -> Any:
    made = Ami(
        backend,
        random_ami_id(),
        source_ami=source,
        name=name,
        description=description,
        state="pending",
        hypervisor=source.hypervisor,
        root_device_name=source.root_device_name,
        root_device_type=source.root_device_type,
        image_location=f"{backend.account_id}/{name}",
        region_name=f"{backend.region_name}a",
    )
    made.root_volume = SimpleNamespace(size=root_gib(source), volume_type="gp3", encrypted=False)
    made.copied_from = source.id
    snapshot = made.ebs_snapshot
    snapshot.description = SNAPSHOT.format(made.id, source.id, source.ebs_snapshot.id)
    snapshot.status, snapshot.copied_percent = "pending", "0%"
    backend.amis[made.id] = made
    return made


def _may_read(response: Any, snapshot: Any) -> bool:
    """Say whether whoever copies may use the key of the snapshot, AWS's own one aside."""
    if not snapshot.kms_key_id or is_aws_managed(snapshot.kms_key_id):
        return True
    region = snapshot.kms_key_id.split(":")[3]
    via = {"kms:ViaService": f"ec2.{region}.amazonaws.com"}
    for_aws = via | {"kms:GrantIsForAWSResource": "true"}
    uses = all(caller_may(response, use, snapshot.kms_key_id, via) for use in USES)
    return uses and caller_may(response, CREATE_GRANT, snapshot.kms_key_id, for_aws)


def _modify_image_attribute(modify: Any, self: Any, ami_id: str, **permissions: Any) -> None:
    ami = self.amis.get(ami_id)
    if ami and permissions["launch_permissions_to_add"]:
        _require_shareable(ami.ebs_snapshot)
    modify(self, ami_id, **permissions)


def _share_snapshot(share: Any, self: Any, snapshot_id: str, **whom: Any) -> None:
    _require_shareable(self.get_snapshot(snapshot_id))
    share(self, snapshot_id, **whom)


def _require_shareable(snapshot: Any) -> None:
    if snapshot.kms_key_id and is_aws_managed(snapshot.kms_key_id):
        raise EC2ClientError(
            "InvalidParameter",
            "Snapshots encrypted with the AWS Managed CMK can't be shared. Specify another "
            "snapshot.",
        )


def reconcile(now: float) -> None:
    """Advance every copy that is under way."""
    for ami in list(_under_way()):
        outcome = Copying.FAILED if ami.is_unreadable else current().driver.copying(ami.id)
        if outcome is Copying.PENDING:
            continue
        is_there = outcome is Copying.AVAILABLE
        ami.state = "available" if is_there else "failed"
        ami.ebs_snapshot.status = "completed" if is_there else "error"
        ami.ebs_snapshot.copied_percent = "100%"
        if ami.is_unreadable:
            words = "Given key ID is not accessible"
            ami.state_reason = {"Code": "Client.InvalidKMSKey.InvalidState", "Message": words}


def _under_way() -> Iterator[Any]:
    for backend in ec2_backends_in_use():
        for ami in backend.amis.values():
            if ami.state == "pending" and hasattr(ami, "copied_from"):
                yield ami


@cache
def install() -> None:
    """Put these in place of moto's."""
    AmisResponse.copy_image = _copy_image
    modify, share = AmiBackend.modify_image_attribute, EBSBackend.add_create_volume_permission
    AmiBackend.modify_image_attribute = lambda self, ami_id, **permissions: _modify_image_attribute(
        modify, self, ami_id, **permissions
    )
    EBSBackend.add_create_volume_permission = lambda self, snapshot_id, **whom: _share_snapshot(
        share, self, snapshot_id, **whom
    )
    Snapshot.progress = property(lambda self: getattr(self, "copied_percent", "100%"))


def attach(world: World) -> None:
    """Let images be copied."""
    world.reconcilers.append(reconcile)
