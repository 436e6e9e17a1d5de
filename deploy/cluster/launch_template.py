"""Launch templates of head and workers: find versions, create one if needed. Touches AWS (EC2).

A version never changes, so a matching version is reused. Groups and the autoscaler refer to
versions by number: ``$Latest`` would change under them, and cannot be rolled back.
"""

from dataclasses import dataclass, fields, replace
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.consistency import once_seen
from common.waiting import Clock, Seen
from common.worker_groups import ONLY_GROUP
from deploy.release.template_content import TemplateContent, content_of, tag_list, template_data
from node.contract import ENVIRONMENT_TAG, GROUP_TAG, ROLE_TAG, WORKER

NOT_FOUND = {
    "InvalidLaunchTemplateName.NotFoundException",
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.NotFoundException",
}


@dataclass(frozen=True)
class TemplateVersion:
    """One version of a launch template."""

    template_id: str
    number: int
    content: TemplateContent


@dataclass(frozen=True)
class Template:
    """A launch template and its versions, newest first."""

    id: str
    name: str
    versions: tuple[TemplateVersion, ...]
    default: int = 1
    group: str = ""  # of workers; empty for heads

    def version_with(self, content: TemplateContent) -> TemplateVersion | None:
        """Return the newest version with exactly this content."""
        return next((v for v in self.versions if v.content == content), None)


def find_template(clients: Clients, name: str) -> Template | None:
    """Return the template of that name with its versions, which AWS returns in no order.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeLaunchTemplateVersions.html
    """
    with translated(f"reading the launch template {name}"):
        try:
            pages = clients("ec2").get_paginator("describe_launch_template_versions")
            entries = [
                entry
                for page in pages.paginate(LaunchTemplateName=name)
                for entry in page["LaunchTemplateVersions"]
            ]
        except ClientError as error:
            if error_code(error) in NOT_FOUND:
                return None
            raise
    versions = sorted(map(_version, entries), key=lambda version: -version.number)
    default = next((int(v["VersionNumber"]) for v in entries if v["DefaultVersion"]), 0)
    return Template(versions[0].template_id, name, tuple(versions), default) if versions else None


def find_worker_templates(clients: Clients, environment: str) -> tuple[Template, ...]:
    """Return the templates of an environment's workers by name, those of removed groups too."""
    filters = [
        {"Name": f"tag:{ENVIRONMENT_TAG}", "Values": [environment]},
        {"Name": f"tag:{ROLE_TAG}", "Values": [WORKER]},
    ]
    with translated("listing the launch templates"):
        pages = clients("ec2").get_paginator("describe_launch_templates").paginate(Filters=filters)
        groups = {
            entry["LaunchTemplateName"]: _group(entry)
            for page in pages
            for entry in page["LaunchTemplates"]
        }
    found = ((find_template(clients, name), group) for name, group in sorted(groups.items()))
    return tuple(replace(template, group=group) for template, group in found if template)


def ensure_version(
    clients: Clients, name: str, content: TemplateContent, tags: dict[str, str], *, clock: Clock
) -> TemplateVersion:
    """Return a version with this content: an existing one, or else a new one.

    Raises TimedOut when EC2 does not show what was written.
    """
    template = find_template(clients, name)
    found = template.version_with(content) if template else None
    if found:
        return found
    with translated(f"writing the launch template {name}"):
        _create(clients, name, content, None if template is None else template.id, tags)

    def look() -> Seen[TemplateVersion]:
        template = find_template(clients, name)
        found = template.version_with(content) if template else None
        return Seen(found, "" if found else _difference(template, content))

    what = f"the launch template {name} with what was written"
    return once_seen(what, look, clock=clock, hint="deploy again")


def make_default(clients: Clients, version: TemplateVersion) -> None:
    """Make this the default version."""
    with translated(f"setting the default version of {version.template_id}"):
        clients("ec2").modify_launch_template(
            LaunchTemplateId=version.template_id, DefaultVersion=str(version.number)
        )


def remove_template(clients: Clients, name: str) -> None:
    """Delete the template with all its versions, if it exists."""
    with translated(f"deleting the launch template {name}"):
        try:
            clients("ec2").delete_launch_template(LaunchTemplateName=name)
        except ClientError as error:
            if error_code(error) not in NOT_FOUND:
                raise


def _create(
    clients: Clients,
    name: str,
    content: TemplateContent,
    template_id: str | None,
    tags: dict[str, str],
) -> None:
    described = {
        # A retry after a lost response creates no second version.
        # https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
        "ClientToken": str(uuid4()),
        "VersionDescription": f"raykiln {content.digest}",
        "LaunchTemplateData": template_data(content),
    }
    if template_id is None:
        specification = {"ResourceType": "launch-template", "Tags": tag_list(tags.items())}
        clients("ec2").create_launch_template(
            LaunchTemplateName=name, TagSpecifications=[specification], **described
        )
    else:
        clients("ec2").create_launch_template_version(LaunchTemplateId=template_id, **described)


def _difference(template: Template | None, desired: TemplateContent) -> str:
    if template is None:
        return "it does not exist"
    newest = template.versions[0].content
    keys = [f.name for f in fields(desired) if getattr(newest, f.name) != getattr(desired, f.name)]
    return f"version {template.versions[0].number} differs in {', '.join(keys)}"


def _group(entry: dict[str, Any]) -> str:
    """Return the group of a template; one from before groups has no tag that says so."""
    tags: dict[str, str] = {tag["Key"]: tag["Value"] for tag in entry.get("Tags", [])}
    return tags.get(GROUP_TAG, ONLY_GROUP)


def _version(entry: dict[str, Any]) -> TemplateVersion:
    return TemplateVersion(
        template_id=entry["LaunchTemplateId"],
        number=int(entry["VersionNumber"]),
        content=content_of(entry["LaunchTemplateData"]),
    )
