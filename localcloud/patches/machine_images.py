"""Images made of real disks, with the calls that moto lacks.

Follows, in the EC2 API reference, CreateImage (unique names, reboot of a running instance unless
NoReboot), ModifyImageAttribute (ImdsSupport) and RunInstances (an image must be available), and
"Configure instance metadata options for new instances" in the user guide (an image with
imds-support v2.0 makes tokens required). DeregisterImage deletes the image's snapshots where it is
asked to, but for one that another image has too. There is no Recycle Bin, so none of its rules
keeps an image: ListImagesInRecycleBin finds nothing. moto accepts any image, has every image
available at once, allows a name twice, forgets the root device, and keeps snapshots. Deprecated and
disabled images are in image_states.py.
"""

from functools import cache
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError, InvalidAMIIdError
from moto.ec2.models.amis import Ami, AmiBackend
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.responses.amis import AmisResponse

from localcloud.account import ec2_backend, ec2_backends_in_use
from localcloud.base_image import BaseImage
from localcloud.driver import Copying, Power
from localcloud.world import World, current

DEBIAN = "136693071363"
BASE_GIB = 8


def seed(image: BaseImage) -> None:
    """Make DescribeImages return a base image, as Debian's own account publishes it on AWS."""
    backend = ec2_backend()
    backend.amis[image.ami_id] = Ami(
        backend,
        image.ami_id,
        name=image.name,
        description=f"Debian {image.version} (local cloud)",
        owner_id=DEBIAN,
        public=True,
        virtualization_type="hvm",
        architecture="x86_64",
        hypervisor="xen",
        root_device_name="/dev/xvda",
        root_device_type="ebs",
        creation_date=image.built,
        image_location=f"amazon/{image.name}",
    )


def _create_image(self: Any) -> ActionResult:
    name, instance_id = self._get_param("Name"), self._get_param("InstanceId")
    instance = self.ec2_backend.get_instance(instance_id)
    require_unused_name(self.ec2_backend, name)
    if self._get_bool_param("NoReboot") and instance.state == "running":
        raise EC2ClientError("UnsupportedOperation", "NoReboot is not supported while running.")
    if instance.state not in ("running", "stopped"):
        raise EC2ClientError("IncorrectState", f"Instance '{instance_id}' is {instance.state}.")
    self.error_on_dryrun()
    ami = _recorded(self, instance, name)
    if instance.state == "running":
        current().driver.stop(instance_id)
        instance.imaging = True
    ami.pending_copy = True
    return ActionResult({"ImageId": ami.id})


def _recorded(response: Any, instance: Any, name: str) -> Any:
    specs = response._get_param("TagSpecifications", [])
    tags: dict[str, dict[str, str]] = {"image": {}, "snapshot": {}}
    for spec in specs:
        tags[spec["ResourceType"]] |= {tag["Key"]: tag["Value"] for tag in spec["Tags"]}
    ami = response.ec2_backend.create_image(
        instance.id, name, response._get_param("Description", ""), tag_specifications=[]
    )
    ami.state = "pending"
    ami.root_device_type, ami.root_device_name = "ebs", instance.root_device_name
    _remember_root(response.ec2_backend, ami, instance)
    ami.hypervisor = instance.hypervisor
    ami.image_location = f"{ami.owner_id}/{name}"
    ami.add_tags(tags["image"])
    ami.ebs_snapshot.add_tags(tags["snapshot"])
    return ami


def _remember_root(backend: Any, ami: Any, instance: Any) -> None:
    """CreateImage: the image's mapping is that of the instance's own volumes."""
    attached = instance.block_device_mapping.get(instance.root_device_name)
    if attached:
        ami.root_volume = backend.get_volume(attached.volume_id)
        ami.ebs_snapshot.encrypted = ami.root_volume.encrypted
        ami.ebs_snapshot.kms_key_id = ami.root_volume.kms_key_id


def root_gib(ami: Any) -> int:
    """Return the size of an image's root volume, in GiB."""
    volume = getattr(ami, "root_volume", None)
    return int(volume.size) if volume else BASE_GIB


def _block_device_mappings(self: Any) -> list[dict[str, Any]]:
    volume = getattr(self, "root_volume", None)
    root = {
        "SnapshotId": self.ebs_snapshot.id,
        "VolumeSize": root_gib(self),
        "DeleteOnTermination": True,
        "VolumeType": volume.volume_type if volume else "gp3",
        "Encrypted": bool(volume and volume.encrypted),
    }
    return [{"DeviceName": self.root_device_name, "Ebs": root}]


def require_unused_name(backend: Any, name: str) -> None:
    """Refuse a name that another image of the account has."""
    for ami in backend.amis.values():
        if ami.name == name and ami.owner_id == backend.account_id:
            raise EC2ClientError(
                "InvalidAMIName.Duplicate",
                f"AMI name {name} is already in use by AMI {ami.id}",
            )


def require_available(backend: Any, ami_id: str) -> Any:
    """Return an image that instances can be launched from; "deregistered … no longer available"."""
    if ami_id in backend.deleted_amis:
        raise EC2ClientError(
            "InvalidAMIID.Unavailable", f"The image ID '{ami_id}' is no longer available"
        )
    ami = backend.amis.get(ami_id)
    if ami is None:
        raise InvalidAMIIdError(ami_id)
    if ami.state != "available":
        raise EC2ClientError(
            "InvalidAMIID.Unavailable",
            f"The image ID '{ami_id}' is not available: it is {ami.state}.",
        )
    return ami


def _run_instances(run: Any, self: Any, image_id: str, *rest: Any, **more: Any) -> Any:
    ami = require_available(self, image_id)
    options = dict(more.get("metadata_options") or {})
    if getattr(ami, "imds_support", None) == "v2.0":
        options = {"HttpTokens": "required", "HttpPutResponseHopLimit": 2} | options
    return run(self, image_id, *rest, **(more | {"metadata_options": options}))


def _modify_image_attribute(modify: Any, self: Any) -> Any:
    """ImdsSupport and Description are set here; launch permissions are moto's."""
    support = self._get_param("ImdsSupport.Value")
    description = self._get_param("Description.Value")
    if support is None and description is None:
        return modify(self)
    ami = self.ec2_backend.describe_images(ami_ids=[self._get_param("ImageId")])[0]
    self.error_on_dryrun()
    if support is not None:
        ami.imds_support = support
    if description is not None:
        ami.description = description
    return EmptyResult()


def _register_image(register: Any, self: Any) -> Any:
    """RegisterImage, Architecture: "Default: For Amazon EBS-backed AMIs, i386"; moto drops it."""
    answer = register(self)
    ami = self.ec2_backend.amis[answer.result["ImageId"]]
    ami.architecture = self._get_param("Architecture", "i386")
    return answer


def _answer_deregister_image(deregister: Any, self: Any) -> ActionResult:
    """DeregisterImage, DeleteAssociatedSnapshots: a result for each snapshot."""
    backend, ami_id = self.ec2_backend, self._get_param("ImageId")
    ami = backend.amis.get(ami_id)
    answer: ActionResult = deregister(self)
    if not self._get_bool_param("DeleteAssociatedSnapshots") or ami is None:
        return answer
    snapshot_id = ami.ebs_snapshot.id
    shared = any(one.ebs_snapshot.id == snapshot_id for one in backend.amis.values())
    if not shared:
        backend.delete_snapshot(snapshot_id)
    code = "skipped" if shared else "success"
    results = [{"SnapshotId": snapshot_id, "ReturnCode": code}]
    return ActionResult({"Return": True, "DeleteSnapshotResults": results})


def _list_images_in_recycle_bin(self: Any) -> ActionResult:
    self.error_on_dryrun()
    return ActionResult({"Images": []})


def _deregister_image(deregister: Any, self: Any, ami_id: str) -> None:
    deregister(self, ami_id)
    current().driver.forget_image(ami_id)


def reconcile(now: float) -> None:
    """Advance every image that is being created."""
    for ami in [one for each in ec2_backends_in_use() for one in each.amis.values()]:
        if ami.state == "pending" and ami.instance_id:
            _advance(ami, ami.instance)


def _advance(ami: Any, instance: Any) -> None:
    driver = current().driver
    if ami.pending_copy:
        if driver.power(instance.id) is Power.DOWN:
            driver.copy(instance.id, ami.id)
            ami.pending_copy = False
        return
    outcome = driver.copying(ami.id)
    if outcome is Copying.PENDING:
        return
    ami.state = "available" if outcome is Copying.AVAILABLE else "failed"
    if getattr(instance, "imaging", False):
        instance.imaging = False
        driver.start(instance.id)


@cache
def install() -> None:
    """Put these in place of moto's."""
    run = InstanceBackend.run_instances
    modify, deregister = AmisResponse.modify_image_attribute, AmiBackend.deregister_image
    InstanceBackend.run_instances = lambda self, *a, **k: _run_instances(run, self, *a, **k)
    Ami.block_device_mappings = property(_block_device_mappings)
    register = AmisResponse.register_image
    AmisResponse.register_image = lambda self: _register_image(register, self)
    AmisResponse.create_image = _create_image
    AmisResponse.modify_image_attribute = lambda self: _modify_image_attribute(modify, self)
    AmiBackend.deregister_image = lambda self, ami_id: _deregister_image(deregister, self, ami_id)
    answer = AmisResponse.deregister_image
    AmisResponse.deregister_image = lambda self: _answer_deregister_image(answer, self)
    AmisResponse.list_images_in_recycle_bin = _list_images_in_recycle_bin


def attach(world: World) -> None:
    """Let images be created."""
    world.reconcilers.append(reconcile)
