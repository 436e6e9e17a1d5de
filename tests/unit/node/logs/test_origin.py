"""Whose logs these are, also on an instance without an identity."""

from pathlib import Path

import pytest

from node.identity import BadIdentity
from node.logs import origin
from node.logs.origin import Origin, find_origin
from node.logs.stream import Stream

METADATA = {"meta-data/placement/region": "us-east-1", "meta-data/instance-id": "i-0a"}
HEAD = Origin("test", "head", "us-east-1", "i-0a", "ray-head.test")


@pytest.fixture
def node_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(origin, "metadata_service", lambda: METADATA.get)
    return tmp_path / "node.yaml"


def test_an_origin_is_what_node_yaml_and_the_metadata_say(node_yaml: Path) -> None:
    node_yaml.write_text("environment: test\nrole: head\nhead_name: ray-head.test\n")
    assert find_origin(node_yaml) == HEAD

    node_yaml.write_text("environment: test\nrole: head\n")
    assert find_origin(node_yaml) == Origin("test", "head", "us-east-1", "i-0a", "")


@pytest.mark.parametrize("text", ["", "[]", "role: head\n", "environment: test\n"])
def test_a_node_yaml_without_environment_and_role_is_named(node_yaml: Path, text: str) -> None:
    node_yaml.write_text(text)

    with pytest.raises(BadIdentity, match=r"^node\.yaml names no environment and role$"):
        find_origin(node_yaml)


def test_a_journal_s_stream_is_in_the_group_of_its_role() -> None:
    assert HEAD.journal() == Stream("us-east-1", "/raykiln/test/head", "i-0a")
    assert HEAD.dashboard == "127.0.0.1"
    assert Origin("test", "worker", "us-east-1", "i-0b", "ray-head.test").dashboard == (
        "ray-head.test"
    )


def test_a_job_s_stream_has_a_name_that_cloudwatch_takes() -> None:
    assert HEAD.job("a:b*c") == Stream("us-east-1", "/raykiln/test/jobs", "a_b_c/i-0a")
    assert HEAD.job("x" * 500).name == "x" * 400 + "/i-0a"
