"""Ray's version on heads: known of the release that is served, looked up of another."""

from dataclasses import replace
from typing import Any

from deploy.cluster.ray_versions import ray_versions
from tests.unit.answers import Answers
from tests.unit.deploy.builders import a_release, an_instance

HEAD = an_instance("i-1", "head")
NEXT = replace(an_instance("i-2", "head"), ami_id="ami-next")
VERSION = {"Key": "raykiln:ray-version", "Value": "2.61.0"}
OTHER = {"Key": "raykiln:role", "Value": "head"}


def test_the_release_that_is_served_needs_no_look() -> None:
    aws: Any = Answers()

    assert ray_versions(aws, [HEAD], a_release()) == {"2.60.0"}
    assert aws.requests == []


def test_another_image_is_looked_up_also_when_it_is_disabled() -> None:
    aws: Any = Answers(
        describe_images={"Images": [{"ImageId": "ami-next", "Tags": [OTHER, VERSION]}]}
    )

    assert ray_versions(aws, [HEAD, NEXT], a_release()) == {"2.60.0", "2.61.0"}
    ((operation, request),) = aws.requests
    assert operation == "ec2:describe_images"
    assert request["IncludeDisabled"] is True
    assert request["Filters"] == [{"Name": "image-id", "Values": ["ami-next"]}]


def test_an_image_that_is_gone_or_not_ours_says_nothing() -> None:
    gone: Any = Answers(describe_images={"Images": []})
    foreign: Any = Answers(describe_images={"Images": [{"ImageId": "ami-next"}]})

    assert ray_versions(gone, [NEXT], a_release()) == frozenset()
    assert ray_versions(foreign, [NEXT], None) == frozenset()
