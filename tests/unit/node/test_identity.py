"""Who an instance is, from a metadata service that speaks HTTP."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml

from node import identity as identities
from node.identity import (
    BadIdentity,
    Identity,
    NoMetadata,
    find_identity,
    instance_tag,
    metadata_service,
    write_identity,
)
from tests.unit.node.fakes import an_identity

HEAD = {
    "environment": "test",
    "role": "head",
    "head_name": "ray-head.test.ray.internal",
    "lease_table": "raykiln-lease-test",
    "secret": "/ray/test/redis_password",
    "metric_namespace": "Ray/Head",
    "lifecycle_hook": "ray-head-ready",
}
WORKER = {**{k: v for k, v in HEAD.items() if k != "lifecycle_hook"}}
WORKER["role"] = "worker"
METADATA = {
    "meta-data/instance-id": "i-0a",
    "meta-data/local-ipv4": "10.0.0.1",
    "meta-data/placement/region": "us-east-1",
    "meta-data/placement/availability-zone": "us-east-1a",
    "meta-data/tags/instance/aws:autoscaling:groupName": "ray-head-asg-test",
    "meta-data/tags/instance/ray-user-node-type": "worker",
}


def identity_of(
    config: dict[str, str], baked: str = "", metadata: dict[str, str] | None = None
) -> Identity:
    image = json.dumps({"role": baked or config.get("role")})
    return find_identity(yaml.safe_dump(config), image, (metadata or METADATA).get)


def test_a_head_knows_its_group_and_has_the_node_type_head() -> None:
    identity = identity_of(HEAD)

    assert (identity.group, identity.node_type) == ("ray-head-asg-test", "head")


def test_a_worker_has_the_node_type_of_its_tag() -> None:
    tagged = {**METADATA, "meta-data/tags/instance/ray-user-node-type": "gpu"}

    assert identity_of(WORKER, metadata=tagged).node_type == "gpu"


def test_a_worker_without_its_tag_has_no_identity() -> None:
    untagged = {k: v for k, v in METADATA.items() if "ray-user-node-type" not in k}

    with pytest.raises(NoMetadata, match="ray-user-node-type"):
        identity_of(WORKER, metadata=untagged)


def test_an_image_of_another_role_is_refused() -> None:
    with pytest.raises(BadIdentity, match=r"this image is a worker, but node.yaml says role: head"):
        identity_of(HEAD, baked="worker")


def test_all_missing_keys_are_named_at_once() -> None:
    config = {k: v for k, v in HEAD.items() if k not in ("secret", "lifecycle_hook")}

    with pytest.raises(BadIdentity, match=r"node.yaml lacks lifecycle_hook, secret"):
        identity_of(config)


def test_a_head_with_a_redis_needs_its_password_and_a_worker_does_not() -> None:
    redis = {"redis": "state.ray:6379"}

    with pytest.raises(BadIdentity, match=r"node.yaml lacks state_secret"):
        identity_of({**HEAD, **redis})
    secret = {"state_secret": "/ray/test/state_password"}
    assert identity_of({**HEAD, **redis, **secret}).state_secret == "/ray/test/state_password"
    assert identity_of({**WORKER, **redis}).redis == "state.ray:6379"


@pytest.mark.parametrize("text", ["", "- head", "role"])
def test_a_node_yaml_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(BadIdentity, match="not a mapping"):
        find_identity(text, "{}", METADATA.get)


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(BadIdentity, match="role is 'boss'"):
        identity_of({**HEAD, "role": "boss"})


def test_a_written_identity_is_read_back_and_suits_a_unit(tmp_path: Path) -> None:
    write_identity(an_identity(), tmp_path)

    assert Identity.read(tmp_path / "identity.json") == an_identity()
    lines = (tmp_path / "node.env").read_text().splitlines()
    assert "RAY_CLOUD_INSTANCE_ID=i-0a" in lines
    assert "RAY_NODE_TYPE_NAME=head" in lines


@pytest.fixture
def imds() -> Iterator[str]:
    """A metadata service that insists on its token."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self._answer(200 if self.path == "/latest/api/token" else 404, "the-token")

        def do_GET(self) -> None:
            value = METADATA.get(self.path.removeprefix("/latest/"))
            if self.headers.get("X-aws-ec2-metadata-token") != "the-token":
                self._answer(401, "")
            else:
                self._answer(200 if value else 404, value or "")

        def _answer(self, code: int, text: str) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/latest"
    server.shutdown()
    server.server_close()


def test_the_metadata_service_is_asked_with_a_token(imds: str) -> None:
    metadata = metadata_service(imds)

    assert metadata("meta-data/instance-id") == "i-0a"
    assert metadata("meta-data/public-ipv4") is None


def test_a_tag_is_read_whose_key_has_a_colon(imds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METADATA, "meta-data/tags/instance/raykiln:autoscaler", "s3://bucket/key")

    assert instance_tag("raykiln:autoscaler", imds) == "s3://bucket/key"
    assert instance_tag("raykiln:other", imds) is None


def test_a_metadata_service_without_tokens_may_be_disabled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(identities, "_http", lambda *request: None)

    with pytest.raises(
        NoMetadata, match=r"^the metadata service returned no token: is it disabled\?$"
    ):
        metadata_service()


def test_an_unreachable_metadata_service_is_named() -> None:
    with pytest.raises(NoMetadata, match="cannot be reached"):
        metadata_service("http://127.0.0.1:9/latest")


def test_node_env_has_what_units_and_ray_read_of_an_identity() -> None:
    assert an_identity().environment_file() == (
        "RAY_CLOUD_INSTANCE_ID=i-0a\n"
        "RAY_NODE_TYPE_NAME=head\n"
        "RAYKILN_ENVIRONMENT=test\n"
        "RAYKILN_ROLE=head\n"
        "RAYKILN_ADDRESS=10.0.0.1\n"
        "RAYKILN_HEAD_NAME=ray-head.test.ray.internal\n"
        "AWS_REGION=us-east-1\n"
        "AWS_DEFAULT_REGION=us-east-1\n"
    )
