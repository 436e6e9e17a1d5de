"""Launch templates: found with their versions, written once, deleted if they exist."""

from dataclasses import replace
from typing import Any

import pytest

from common.errors import PipelineError, TimedOut
from deploy.cluster.launch_template import (
    Template,
    TemplateVersion,
    ensure_version,
    find_template,
    find_worker_templates,
    make_default,
    remove_template,
)
from deploy.release.template_content import TemplateContent, template_data
from tests.unit.answers import Answers, refused
from tests.unit.deploy.builders import a_desired_state, a_foundation, a_group
from tests.unit.localcloud.fakes import FakeClock

NAME = "ray-worker-dev"
GONE = refused("InvalidLaunchTemplateName.NotFoundException")
CONTENT = a_desired_state().worker_content(a_foundation(), a_group())
OTHER = replace(CONTENT, ami_id="ami-other", hop_limit=2)


def version(number: int, content: TemplateContent, default: bool = False) -> dict[str, Any]:
    return {
        "LaunchTemplateId": "lt-1",
        "VersionNumber": number,
        "LaunchTemplateData": template_data(content),
        "DefaultVersion": default,
    }


def versions(*found: dict[str, Any]) -> dict[str, Any]:
    return {"LaunchTemplateVersions": list(found)}


def test_a_template_is_found_with_its_versions_newest_first() -> None:
    aws: Any = Answers(
        describe_launch_template_versions=(
            versions(version(2, OTHER, default=True)),
            versions(version(10, CONTENT)),
        )
    )

    assert find_template(aws, NAME) == Template(
        "lt-1",
        NAME,
        (TemplateVersion("lt-1", 10, CONTENT), TemplateVersion("lt-1", 2, OTHER)),
        2,
    )
    assert aws.requests == [("ec2:describe_launch_template_versions", {"LaunchTemplateName": NAME})]


def test_without_versions_there_is_no_template() -> None:
    none: Any = Answers(describe_launch_template_versions=[versions(), GONE])

    assert find_template(none, NAME) is None
    assert find_template(none, NAME) is None


def test_workers_templates_are_found_by_their_tags_with_their_groups() -> None:
    def entry(name: str, **tags: str) -> dict[str, Any]:
        pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
        return {"LaunchTemplateName": name, "Tags": pairs}

    gpu = entry("ray-worker-dev.gpu", **{"raykiln:group": "gpu"})
    aws: Any = Answers(
        describe_launch_templates=({"LaunchTemplates": [gpu]}, {"LaunchTemplates": [entry(NAME)]}),
        describe_launch_template_versions=versions(version(1, CONTENT)),
    )

    found = find_worker_templates(aws, "dev")

    assert [(one.name, one.group) for one in found] == [
        (NAME, "worker"),
        ("ray-worker-dev.gpu", "gpu"),
    ]
    filters = [
        {"Name": "tag:raykiln:environment", "Values": ["dev"]},
        {"Name": "tag:raykiln:role", "Values": ["worker"]},
    ]
    assert aws.requests[0] == ("ec2:describe_launch_templates", {"Filters": filters})


def test_a_version_that_exists_is_not_written_again() -> None:
    there = versions(version(2, OTHER), version(1, CONTENT))
    aws: Any = Answers(describe_launch_template_versions=there)

    assert ensure_version(aws, NAME, CONTENT, {}, clock=FakeClock()) == TemplateVersion(
        "lt-1", 1, CONTENT
    )
    assert len(aws.requests) == 1


def test_a_template_that_is_missing_is_created_with_its_tags() -> None:
    aws: Any = Answers(
        describe_launch_template_versions=[GONE, versions(version(1, CONTENT))],
        create_launch_template={},
    )

    assert ensure_version(aws, NAME, CONTENT, {"b": "2", "a": "1"}, clock=FakeClock()).number == 1

    name, request = aws.requests[1]
    assert name == "ec2:create_launch_template"
    assert len(request.pop("ClientToken")) == 36
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert request == {
        "LaunchTemplateName": NAME,
        "TagSpecifications": [{"ResourceType": "launch-template", "Tags": tags}],
        "VersionDescription": f"raykiln {CONTENT.digest}",
        "LaunchTemplateData": template_data(CONTENT),
    }


def test_other_content_becomes_a_new_version() -> None:
    before = version(1, OTHER)
    aws: Any = Answers(
        describe_launch_template_versions=[versions(before), versions(before, version(2, CONTENT))],
        create_launch_template_version={},
    )

    assert ensure_version(aws, NAME, CONTENT, {}, clock=FakeClock()).number == 2

    name, request = aws.requests[1]
    assert name == "ec2:create_launch_template_version"
    assert len(request.pop("ClientToken")) == 36
    assert request == {
        "LaunchTemplateId": "lt-1",
        "VersionDescription": f"raykiln {CONTENT.digest}",
        "LaunchTemplateData": template_data(CONTENT),
    }


@pytest.mark.parametrize(
    ("after", "difference"),
    [
        (versions(version(4, OTHER)), "version 4 differs in ami_id, hop_limit"),
        (GONE, "it does not exist"),
    ],
)
def test_what_was_written_and_is_not_there_is_an_error(after: Any, difference: str) -> None:
    aws: Any = Answers(
        describe_launch_template_versions=[GONE, *[after] * 6], create_launch_template={}
    )

    with pytest.raises(TimedOut) as raised:
        ensure_version(aws, NAME, CONTENT, {}, clock=FakeClock())

    assert raised.value.message == (
        f"the launch template {NAME} with what was written: not within 60 s; "
        f"last seen: {difference}"
    )
    assert raised.value.hint == "deploy again"


@pytest.mark.parametrize("stale", [GONE, versions(version(1, OTHER))])
def test_a_version_that_ec2_does_not_show_yet_is_waited_for(stale: Any) -> None:
    """ "Eventual consistency in the Amazon EC2 API", its developer guide."""
    clock = FakeClock()
    began = clock.now()
    there = versions(version(1, OTHER), version(2, CONTENT))
    aws: Any = Answers(
        describe_launch_template_versions=[versions(version(1, OTHER)), stale, stale, there],
        create_launch_template_version={},
    )

    assert ensure_version(aws, NAME, CONTENT, {}, clock=clock).number == 2

    assert clock.now() - began == 2 + 4
    assert [name for name, _ in aws.requests].count("ec2:create_launch_template_version") == 1


def test_a_version_becomes_the_default_by_its_number() -> None:
    aws: Any = Answers(modify_launch_template={})

    make_default(aws, TemplateVersion("lt-1", 7, CONTENT))

    assert aws.requests == [
        ("ec2:modify_launch_template", {"LaunchTemplateId": "lt-1", "DefaultVersion": "7"})
    ]


def test_a_template_is_deleted_if_it_exists() -> None:
    aws: Any = Answers(delete_launch_template=[{}, GONE, refused("Throttling")])

    remove_template(aws, NAME)
    remove_template(aws, NAME)
    with pytest.raises(PipelineError, match=f"^deleting the launch template {NAME}"):
        remove_template(aws, NAME)

    assert aws.requests[0] == ("ec2:delete_launch_template", {"LaunchTemplateName": NAME})
