"""Deprecated and disabled images, as EC2 shows and refuses them.

Follows "Disable an Amazon EC2 AMI" and "Deprecate an Amazon EC2 AMI" in the user guide, and
DescribeImages, DisableImage, EnableImage and EnableImageDeprecation in the API reference:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/disable-an-ami.html
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-deprecate.html

- DescribeImages leaves disabled images out unless it is asked for them, and refuses to filter by
  that state then (https://github.com/turbot/steampipe-plugin-aws/issues/2276); it leaves deprecated
  images of others out, unless they are named by id or asked for.
- A disabled image has lost its launch permissions, gets none, and is not launched; enabling does
  not bring them back. Only its owner disables and enables it.
- A date of deprecation is a whole minute, not in the past, at most ten years ahead.

moto lists all images, keeps the permissions, and has no deprecation. What EC2 answers to a second
DisableImage, or to sharing a disabled image, is documented nowhere: both are refused here.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.amis import AmiBackend
from moto.ec2.responses.amis import AmisResponse

from localcloud.world import World

LONGEST = timedelta(days=3653)


def _describe_images(describe: Any, self: Any) -> ActionResult:
    disabled = self._get_bool_param("IncludeDisabled")
    if not disabled and "disabled" in self._filters_from_querystring().get("state", []):
        raise EC2ClientError(
            "InvalidParameter",
            "When filtering by the 'disabled' state, 'IncludeDisabled' must be set to 'true' in "
            "the request.",
        )
    answer: ActionResult = describe(self)
    deprecated = self._get_bool_param("IncludeDeprecated") or self._get_param("ImageIds", [])
    answer.result["Images"] = [
        ami
        for ami in answer.result["Images"]
        if (disabled or ami.state != "disabled")
        and (deprecated or ami.owner_id == self.ec2_backend.account_id or not _is_deprecated(ami))
    ]
    return answer


def _is_deprecated(ami: Any) -> bool:
    at = getattr(ami, "deprecation_time", "")
    return bool(at) and datetime.fromisoformat(at) <= datetime.now(UTC)


def _disable_image(disable: Any, self: Any, ami_id: str) -> None:
    _require_own(self, ami_id, "available")
    disable(self, ami_id)
    self.amis[ami_id].launch_permissions = []


def _enable_image(enable: Any, self: Any, ami_id: str) -> None:
    _require_own(self, ami_id, "disabled")
    enable(self, ami_id)


def _require_own(backend: Any, ami_id: str, state: str) -> None:
    ami = backend.amis.get(ami_id)
    if ami and ami.owner_id != backend.account_id:
        raise EC2ClientError("AuthFailure", f"Not authorized for image:{ami_id}")
    if ami and ami.state != state:
        raise EC2ClientError("InvalidAMIID.Unavailable", f"The image '{ami_id}' is {ami.state}.")


def _modify_image_attribute(modify: Any, self: Any, ami_id: str, **permissions: Any) -> None:
    ami = self.amis.get(ami_id)
    if permissions["launch_permissions_to_add"] and ami and ami.state == "disabled":
        raise EC2ClientError("InvalidAMIID.Unavailable", f"The image '{ami_id}' is disabled.")
    modify(self, ami_id, **permissions)


def _enable_image_deprecation(self: Any) -> ActionResult:
    ami = self.ec2_backend.describe_images(ami_ids=[self._get_param("ImageId")])[0]
    self.error_on_dryrun()
    at = self._get_param("DeprecateAt")
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    moment, now = moment.replace(tzinfo=UTC), datetime.now(UTC)
    if not now <= moment <= now + LONGEST:
        raise EC2ClientError(
            "InvalidParameterValue",
            f"Value ({moment:%Y-%m-%dT%H:%M:%SZ}) for parameter DeprecateAt is invalid.",
        )
    minute = (moment + timedelta(seconds=30)).replace(second=0)
    ami.deprecation_time = minute.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return ActionResult({"Return": True})


def _disable_image_deprecation(self: Any) -> ActionResult:
    ami = self.ec2_backend.describe_images(ami_ids=[self._get_param("ImageId")])[0]
    self.error_on_dryrun()
    ami.deprecation_time = None
    return ActionResult({"Return": True})


@cache
def install() -> None:
    """Put these in place of moto's."""
    describe, modify = AmisResponse.describe_images, AmiBackend.modify_image_attribute
    disable, enable = AmiBackend.disable_image, AmiBackend.enable_image
    AmisResponse.describe_images = lambda self: _describe_images(describe, self)
    AmiBackend.modify_image_attribute = lambda self, ami_id, **permissions: _modify_image_attribute(
        modify, self, ami_id, **permissions
    )
    AmiBackend.disable_image = lambda self, ami_id: _disable_image(disable, self, ami_id)
    AmiBackend.enable_image = lambda self, ami_id: _enable_image(enable, self, ami_id)
    AmisResponse.enable_image_deprecation = _enable_image_deprecation
    AmisResponse.disable_image_deprecation = _disable_image_deprecation


def attach(world: World) -> None:
    """Nothing happens here by itself."""
