"""ECR: tokens that open the registry, true digests and sizes, tags that are fixed, and who may."""

import base64
import hashlib
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.containers.front import Refusal, manifest_digest, password_in, permit
from localcloud.patches import ecr, iam
from tests.unit.localcloud.conftest import Clients
from tests.unit.localcloud.fakes import FakeClock

ARN = "arn:aws:ecr:us-east-1:123456789012:repository/ray"
OCI = "application/vnd.oci.image.manifest.v1+json"


def a_manifest(content: str = "one") -> bytes:
    """A manifest with a configuration of 10 bytes and layers of 700 and 3000."""
    digest = f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
    layers = [{"digest": digest, "size": size} for size in (700, 3000)]
    manifest = {"schemaVersion": 2, "config": {"digest": digest, "size": 10}, "layers": layers}
    return json.dumps(manifest).encode()


@pytest.fixture
def repository(aws: Clients) -> Any:
    """The API of ECR, with an empty repository ``ray`` whose tags are immutable."""
    aws("ecr").create_repository(repositoryName="ray", imageTagMutability="IMMUTABLE")
    return aws("ecr")


def password(api: Any) -> str:
    token = api.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, found = base64.b64decode(token).decode().partition(":")
    assert user == "AWS"
    return found


def basic(word: str, user: str = "AWS") -> str:
    return "Basic " + base64.b64encode(f"{user}:{word}".encode()).decode()


def code_of(authorization: str, method: str, path: str) -> str:
    with pytest.raises(Refusal) as refused:
        permit(authorization, method, path)
    return refused.value.code


def test_a_token_opens_the_registry_for_twelve_hours(repository: Any, clock: FakeClock) -> None:
    word = password(repository)

    assert permit(basic(word), "GET", "/v2/") is None
    clock.advance(12 * 3600 - 1, every=3600)
    assert permit(basic(word), "GET", "/v2/") is None
    clock.advance(2)
    assert code_of(basic(word), "GET", "/v2/") == "UNAUTHORIZED"


@pytest.mark.parametrize(
    "authorization", ["", "Basic", "Basic !!!", "Bearer abc", basic("guessed"), basic("x", "root")]
)
def test_without_a_token_nothing_is_answered(repository: Any, authorization: str) -> None:
    assert code_of(authorization, "GET", "/v2/") == "UNAUTHORIZED"


def test_only_the_user_aws_has_a_password() -> None:
    assert password_in(basic("word")) == "word"
    assert password_in(basic("word", "root")) is None


def test_a_repository_that_does_not_exist_takes_no_layer(repository: Any) -> None:
    said = code_of(basic(password(repository)), "POST", "/v2/other/blobs/uploads/")

    assert said == "NAME_UNKNOWN"


def test_an_image_is_found_by_tag_and_digest_once_it_is_pushed(repository: Any) -> None:
    manifest = a_manifest()
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    with pytest.raises(Refusal, match="not found"):
        manifest_digest("ray", "v1")

    ecr.put_image("ray", manifest, "v1", OCI)
    ecr.put_image("ray", manifest, "v1", OCI)

    assert manifest_digest("ray", "v1") == manifest_digest("ray", digest) == digest
    found = repository.describe_images(repositoryName="ray")["imageDetails"]
    assert [(i["imageDigest"], i["imageTags"], i["imageSizeInBytes"]) for i in found] == [
        (digest, ["v1"], 3710)
    ]


def test_an_immutable_tag_stays_with_its_image(repository: Any) -> None:
    ecr.put_image("ray", a_manifest(), "v1", OCI)

    ecr.check_image("ray", a_manifest(), "v1")
    with pytest.raises(ClientError) as refused:
        repository.put_image(
            repositoryName="ray",
            imageManifest=a_manifest("two").decode(),
            imageManifestMediaType=OCI,
            imageTag="v1",
        )

    assert refused.value.response["Error"]["Code"] == "ImageTagAlreadyExistsException"


def test_the_same_image_and_tag_is_refused_by_the_api(repository: Any) -> None:
    given = {"repositoryName": "ray", "imageManifest": a_manifest().decode(), "imageTag": "v1"}
    repository.put_image(**given, imageManifestMediaType=OCI)

    with pytest.raises(repository.exceptions.ImageAlreadyExistsException):
        repository.put_image(**given, imageManifestMediaType=OCI)


def test_a_mutable_tag_moves_and_leaves_its_image_untagged(aws: Clients) -> None:
    aws("ecr").create_repository(repositoryName="loose", imageTagMutability="MUTABLE")
    ecr.put_image("loose", a_manifest(), "v1", OCI)

    ecr.put_image("loose", a_manifest("two"), "v1", OCI)

    found = aws("ecr").describe_images(repositoryName="loose")["imageDetails"]
    assert [image.get("imageTags") for image in found] == [None, ["v1"]]


def test_a_digest_that_is_not_the_manifests_is_refused(repository: Any) -> None:
    with pytest.raises(ClientError) as refused:
        repository.put_image(
            repositoryName="ray",
            imageManifest=a_manifest().decode(),
            imageManifestMediaType=OCI,
            imageDigest=f"sha256:{'0' * 64}",
        )

    assert refused.value.response["Error"]["Code"] == "ImageDigestDoesNotMatchException"


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "/v2/ray/manifests/v1", "ecr:BatchGetImage"),
        ("PUT", "/v2/ray/manifests/v1", "ecr:PutImage"),
        ("GET", "/v2/ray/blobs/sha256:0", "ecr:GetDownloadUrlForLayer"),
        ("HEAD", "/v2/ray/blobs/sha256:0", "ecr:BatchCheckLayerAvailability"),
        ("POST", "/v2/ray/blobs/uploads/", "ecr:InitiateLayerUpload"),
        ("PATCH", "/v2/ray/blobs/uploads/7", "ecr:UploadLayerPart"),
        ("PUT", "/v2/ray/blobs/uploads/7", "ecr:CompleteLayerUpload"),
    ],
)
def test_the_token_opens_what_its_owner_may_do(
    repository: Any, method: str, path: str, action: str
) -> None:
    def asked(allowed: list[str]) -> str:
        statement = {"Effect": "Allow", "Action": allowed, "Resource": ARN}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        keys = iam.make_user(f"pusher-{len(allowed)}", policy)
        word, _ = ecr.issue((keys["aws_access_key_id"], None))
        with iam.enforced():
            try:
                return "allowed" if permit(basic(word), method, path) else "nothing"
            except Refusal as refusal:
                return refusal.code

    others = ["BatchGetImage", "PutImage", "GetDownloadUrlForLayer", "InitiateLayerUpload"]
    others += ["BatchCheckLayerAvailability", "UploadLayerPart", "CompleteLayerUpload"]
    assert asked([f"ecr:{one}" for one in others if f"ecr:{one}" != action]) == "DENIED"
    assert asked([action]) == "allowed"


def test_images_are_not_deleted_at_the_registry(repository: Any) -> None:
    assert code_of(basic(password(repository)), "DELETE", "/v2/ray/manifests/v1") == "UNSUPPORTED"
