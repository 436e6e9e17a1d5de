"""RunInstances with a launch template applies everything in the template's version.

Follows the EC2 API reference, RunInstances, parameter LaunchTemplate: "any parameters that you
specify in RunInstances override the same parameters in the launch template". Tags of both are
merged, and the request's value wins. moto takes image, type, key, user data and groups from the
template and forgets the instance profile, the metadata options, the volumes and the rest.

The template becomes part of the request itself, so every launch (Ray's autoscaler, an Auto Scaling
group, a person) goes the same way, and each later patch of RunInstances sees one complete request.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import convert_tag_spec

from localcloud.world import World

Data = dict[str, Any]

NOT_PARAMETERS = ("TagSpecifications", "InstanceRequirements")


def merged_request(request: Data, template: Data) -> Data:
    """Return a RunInstances request with what the template adds to it."""
    merged = {key: value for key, value in template.items() if key not in NOT_PARAMETERS}
    if merged.get("UserData") is not None:
        merged["UserData"] = str(merged["UserData"])
    merged |= {key: value for key, value in request.items() if value is not None}
    tags = merged_tags(template.get("TagSpecifications"), request.get("TagSpecifications"))
    return merged | ({"TagSpecifications": tags} if tags else {})


def merged_tags(*lists: Iterable[Data] | None) -> list[Data]:
    """Return one tag specification per resource type; for equal keys the last list wins."""
    tags: dict[str, dict[str, str]] = {}
    for specs in lists:
        for kind, pairs in convert_tag_spec(specs or []).items():
            tags.setdefault(kind, {}).update(pairs)
    return [
        {"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in pairs.items()]}
        for kind, pairs in tags.items()
    ]


def _template_data(response: Any) -> Data:
    named = response._get_param("LaunchTemplate", {})
    backend = response.ec2_backend
    if template_id := named.get("LaunchTemplateId"):
        template = backend.get_launch_template(template_id)
    else:
        template = backend.get_launch_template_by_name(named.get("LaunchTemplateName"))
    data: Data = template.get_version(named.get("Version") or "$Default").data
    return data


@cache
def install() -> None:
    """Wrap RunInstances as it is patched so far."""
    run_instances = InstanceResponse.run_instances

    def run_merged(self: Any) -> Any:
        if self._get_param("LaunchTemplate"):
            self.params = merged_request(self.params, _template_data(self))
        return run_instances(self)

    InstanceResponse.run_instances = run_merged


def attach(world: World) -> None:
    """Nothing happens here by itself."""
