"""Launch templates whose versions keep their numbers, inherit, and can be deleted.

Follows the EC2 API reference: CreateLaunchTemplateVersion (SourceVersion), ModifyLaunchTemplate,
DeleteLaunchTemplateVersions, DescribeLaunchTemplates and DescribeLaunchTemplateVersions. moto keeps
the user data of a second version in a type that launching refuses, ignores SourceVersion, numbers
versions by their place in a list, does not know client tokens, and cuts both listings at 15.
"""

from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.exceptions import (
    InvalidLaunchTemplateVersionNotFound,
    InvalidParameterCombination,
    OperationNotPermitted,
)
from moto.ec2.models.launch_templates import (
    LaunchTemplate,
    LaunchTemplateBackend,
    LaunchTemplateVersion,
)
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import generic_filter, parse_user_data

from localcloud.patches.paging import page
from localcloud.world import World

Data = dict[str, Any]

ONE_OF = "Specify either the launch template ID or the launch template name, but not both."
PAGE = 200  # MaxResults of both Describe calls goes from 1 to 200


def inherited(source: Data, given: Data) -> Data:
    """Return a new version's data: what is given overwrites what the source version has.

    Snapshots in the source's block device mappings are not inherited.
    """
    mappings = [_without_snapshot(mapping) for mapping in source.get("BlockDeviceMappings", [])]
    base = source | ({"BlockDeviceMappings": mappings} if mappings else {})
    return base | given


def _without_snapshot(mapping: Data) -> Data:
    ebs = {key: value for key, value in mapping.get("Ebs", {}).items() if key != "SnapshotId"}
    return mapping | ({"Ebs": ebs} if ebs else {})


def _normalised(data: Data) -> Data:
    """User data in moto's own type, and nothing that AWS would not store in a version."""
    clean = {key: value for key, value in data.items() if value is not None}
    if isinstance(clean.get("UserData"), str):
        clean["UserData"] = parse_user_data(clean["UserData"])
    specs = clean.pop("TagSpecifications", [])
    kept = [spec for spec in specs if spec["ResourceType"] != "launch-template"]
    return clean | ({"TagSpecifications": kept} if kept else {})


def _create_version(self: Any, data: Data, description: str | None) -> Any:
    self.highest_number = getattr(self, "highest_number", 0) + 1
    version = LaunchTemplateVersion(self, self.highest_number, _normalised(data), description)
    self.versions.append(version)
    return version


def _get_version(self: Any, number: Any) -> Any:
    requested = str(number).lower()
    if requested == "$latest":
        return self.versions[-1]
    if requested == "$default":
        requested = str(self.default_version_number)
    for version in self.versions:
        if str(version.number) == requested:
            return version
    raise InvalidLaunchTemplateVersionNotFound(version=number, template_id=self.id)


def _default_version(self: Any) -> Any:
    return self.get_version(getattr(self, "default_version_number", 1))


def _find_template(response: Any) -> Any:
    name, template_id = (
        response._get_param("LaunchTemplateName"),
        response._get_param("LaunchTemplateId"),
    )
    if bool(name) == bool(template_id):
        raise InvalidParameterCombination(ONE_OF)
    if name:
        return response.ec2_backend.get_launch_template_by_name(name)
    return response.ec2_backend.get_launch_template(template_id)


def _described(response: Any, template: Any, version: Any) -> Data:
    return {
        "CreateTime": version.create_time,
        "CreatedBy": f"arn:{response.partition}:iam::{response.current_account}:root",
        "DefaultVersion": template.is_default(version),
        "LaunchTemplateData": version.data,
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "VersionDescription": version.description,
        "VersionNumber": version.number,
    }


def _create_launch_template_version(self: Any) -> ActionResult:
    template = _find_template(self)
    data = self._get_param("LaunchTemplateData", {})
    if source := self._get_param("SourceVersion"):
        data = inherited(template.get_version(source).data, data)
    self.error_on_dryrun()
    version = template.create_version(data, self._get_param("VersionDescription"))
    return ActionResult({"LaunchTemplateVersion": _described(self, template, version)})


def _modify_launch_template(self: Any, default_version: str, **which: Any) -> Any:
    name, template_id = which.get("template_name"), which.get("template_id")
    template = (
        self.get_launch_template_by_name(name) if name else self.get_launch_template(template_id)
    )
    if default_version:
        template.default_version_number = template.get_version(default_version).number
    return template


def _delete_launch_template_versions(self: Any) -> ActionResult:
    """Versions that do not exist are listed apart; deleting the default one is refused."""
    template = _find_template(self)
    numbers = [str(number) for number in self._get_param("Versions", [])]
    self.error_on_dryrun()
    if str(template.default_version_number) in numbers:
        raise OperationNotPermitted("The default version of a launch template cannot be deleted.")
    existing = {str(version.number) for version in template.versions}
    template.versions = [v for v in template.versions if str(v.number) not in numbers]
    return ActionResult(
        {
            "SuccessfullyDeletedLaunchTemplateVersions": [
                _item(template, number) for number in numbers if number in existing
            ],
            "UnsuccessfullyDeletedLaunchTemplateVersions": [
                _item(template, number) | {"ResponseError": _no_such_version(number)}
                for number in numbers
                if number not in existing
            ],
        }
    )


def _item(template: Any, number: str) -> Data:
    return {
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "VersionNumber": int(number),
    }


def _no_such_version(number: str) -> Data:
    message = f"The launch template version {number} does not exist."
    return {"Code": "launchTemplateVersionDoesNotExist", "Message": message}


def _describe_versions(self: Any, **requested: Any) -> list[tuple[Any, Any]]:
    """Of one template: the requested versions, newest first; of all: their latest or default."""
    aliases = [v for v in requested["versions"] if v in ("$Latest", "$Default")]
    name, template_id = requested["template_name"], requested["template_id"]
    if not (name or template_id):
        if not aliases:
            raise InvalidParameterCombination(
                "Without a launch template, specify $Latest, $Default or both as versions."
            )
        templates = self.launch_templates.values()
        return [
            (template, template.get_version(alias)) for template in templates for alias in aliases
        ]
    template = (
        self.get_launch_template_by_name(name) if name else self.get_launch_template(template_id)
    )
    if requested["versions"]:
        return [(template, template.get_version(number)) for number in requested["versions"]]
    least, most = requested["min_version"] or 1, requested["max_version"] or template.highest_number
    return [(template, v) for v in reversed(template.versions) if least <= v.number <= most]


def _describe_launch_template_versions(self: Any) -> ActionResult:
    found = self.ec2_backend.describe_launch_template_versions(
        template_name=self._get_param("LaunchTemplateName"),
        template_id=self._get_param("LaunchTemplateId"),
        versions=self._get_param("Versions", []),
        min_version=self._get_int_param("MinVersion"),
        max_version=self._get_int_param("MaxVersion"),
        max_results=None,
    )
    self.error_on_dryrun()
    shown, token = page(self, found, self._get_int_param("MaxResults", PAGE))
    versions = [_described(self, template, version) for template, version in shown]
    return ActionResult({"LaunchTemplateVersions": versions, "NextToken": token})


def _describe_launch_templates(self: Any) -> ActionResult:
    backend = self.ec2_backend
    requested = [
        *(backend.get_launch_template(i) for i in self._get_param("LaunchTemplateIds", [])),
        *(
            backend.get_launch_template_by_name(name)
            for name in self._get_param("LaunchTemplateNames", [])
        ),
    ]
    named = self._get_param("LaunchTemplateIds") or self._get_param("LaunchTemplateNames")
    filters = self._filters_from_querystring()
    found = generic_filter(filters, requested if named else list(backend.launch_templates.values()))
    self.error_on_dryrun()
    shown, token = page(self, found, self._get_int_param("MaxResults", PAGE))
    described = [_summary(self, template) for template in shown]
    return ActionResult({"LaunchTemplates": described, "NextToken": token})


def _summary(response: Any, template: Any) -> Data:
    return {
        "CreateTime": template.create_time,
        "CreatedBy": f"arn:{response.partition}:iam::{response.current_account}:root",
        "DefaultVersionNumber": template.default_version_number,
        "LatestVersionNumber": template.latest_version_number,
        "LaunchTemplateId": template.id,
        "LaunchTemplateName": template.name,
        "Tags": template.tags,
    }


@cache
def install() -> None:
    """Correct versions in moto's model, and their calls in its responses."""
    LaunchTemplate.create_version = _create_version
    LaunchTemplate.get_version = _get_version
    LaunchTemplate.default_version = _default_version
    LaunchTemplateBackend.modify_launch_template = _modify_launch_template
    LaunchTemplateBackend.describe_launch_template_versions = _describe_versions
    LaunchTemplates.create_launch_template_version = _create_launch_template_version
    LaunchTemplates.delete_launch_template_versions = _delete_launch_template_versions
    LaunchTemplates.describe_launch_template_versions = _describe_launch_template_versions
    LaunchTemplates.describe_launch_templates = _describe_launch_templates


def attach(world: World) -> None:
    """Nothing happens here by itself."""
