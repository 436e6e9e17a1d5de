"""Launch template content: unchanged after conversion to AWS's form and back."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.release.template_content import TemplateContent, content_of, template_data
from tests.unit.deploy.builders import a_desired_state, a_foundation, a_group


def worker() -> TemplateContent:
    return a_desired_state().worker_content(a_foundation(), a_group())


def head() -> TemplateContent:
    tags = tuple(sorted(a_desired_state().tags("head").items()))
    return replace(worker(), ends_on_shutdown=False, tags=tags)


@pytest.mark.parametrize("content", [worker(), head()])
def test_content_is_read_back_unchanged(content: TemplateContent) -> None:
    assert content_of(template_data(content)) == content


@pytest.mark.parametrize(
    "by_hand",
    [
        {"KeyName": "mine"},
        {"MetadataOptions": {"HttpTokens": "optional"}},
        {"InstanceInitiatedShutdownBehavior": "stop"},
        {"TagSpecifications": []},
        {"BlockDeviceMappings": []},
        {"UserData": ""},
    ],
)
def test_a_version_made_by_hand_does_not_match(by_hand: dict[str, Any]) -> None:
    assert content_of(template_data(worker()) | by_hand) != worker()


def test_volumes_are_encrypted_and_deleted_with_their_instance() -> None:
    (mapping,) = template_data(worker())["BlockDeviceMappings"]

    assert mapping["Ebs"]["Encrypted"]
    assert mapping["Ebs"]["DeleteOnTermination"]


def test_workers_terminate_on_shutdown_and_heads_do_not() -> None:
    assert template_data(worker())["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert "InstanceInitiatedShutdownBehavior" not in template_data(head())


def test_no_template_has_ray_s_node_tags() -> None:
    """The autoscaler would terminate a standby with them as a second head."""
    assert not [key for key, _ in (*worker().tags, *head().tags) if key.startswith("ray-")]


def test_another_content_has_another_digest() -> None:
    assert worker().digest != replace(worker(), ami_id="ami-2").digest
