"""ECR as its clients find it: tokens that open the registry, true digests and sizes, fixed tags.

Follows GetAuthorizationToken ("valid for 12 hours"), PutImage (ImageTagAlreadyExistsException where
a tag is immutable, ImageDigestDoesNotMatchException) and ImageDetail (imageSizeInBytes, the size of
the compressed layers) of the ECR API reference, docs.aws.amazon.com/AmazonECR/latest/APIReference/.
moto hands out one constant token that expired in 2015, invents digests, counts the configuration's
size alone, and names the wrong exception. localcloud/containers/front.py serves the registry.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from functools import cache
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.ecr.models import Image, ecr_backends
from moto.ecr.responses import ECRResponse

from localcloud.account import ACCOUNT, REGION
from localcloud.patches.iam import signatures
from localcloud.times import moment
from localcloud.world import World, now

TOKEN_SECONDS = 12 * 3600.0
# The control plane's own token, as that of a task's agent, has no signer.
Signer = tuple[str, str | None] | None


class TagIsFixed(ServiceException):  # type: ignore[misc] # moto has no types
    """The tag belongs to another image, and the repository's tags are immutable."""

    code = "ImageTagAlreadyExistsException"


class WrongDigest(ServiceException):  # type: ignore[misc] # moto has no types
    """The manifest has another digest than the request says."""

    code = "ImageDigestDoesNotMatchException"


@dataclass(frozen=True)
class Token:
    """Who got a token (access key, session token), and until when it is valid."""

    signer: Signer
    until: float


def _tokens() -> dict[str, Token]:
    """Return the tokens in use; moto's reset forgets them."""
    held: dict[str, Token] = vars(_backend()).setdefault("tokens", {})
    return held


def _backend() -> Any:
    return ecr_backends[ACCOUNT][REGION]


def issue(signer: Signer) -> tuple[str, float]:
    """Return a new password for the user AWS, and the time at which it expires."""
    password, until = secrets.token_urlsafe(48), now() + TOKEN_SECONDS
    _tokens()[password] = Token(signer, until)
    return password, until


def token_of(password: str) -> Token | None:
    """Return what a password stands for; None if it is unknown or has expired."""
    token = _tokens().get(password)
    return token if token and now() < token.until else None


def repository_arn(name: str) -> str | None:
    """Return a repository's ARN, or None without one of that name."""
    found = _backend().repositories.get(name)
    return str(found.arn) if found else None


def image_of(name: str, reference: str) -> Any:
    """Return moto's image by its tag or digest, or None."""
    for image in _backend().repositories[name].images:
        if reference == image.image_digest or reference in image.image_tags:
            return image
    return None


def tags_of(name: str) -> list[str]:
    """Return the tags of a repository's images, sorted."""
    return sorted(t for image in _backend().repositories[name].images for t in image.image_tags)


def check_image(name: str, manifest: bytes, tag: str | None) -> None:
    """Raise TagIsFixed if this manifest may not have this tag."""
    repository = _backend().repositories[name]
    owner = image_of(name, tag) if tag else None
    if owner and owner.image_digest != digest_of(manifest) and repository.is_tag_immutable():
        raise TagIsFixed(
            f"The image tag '{tag}' already exists in the '{name}' repository and cannot be "
            "overwritten because the tag is immutable."
        )


def put_image(name: str, manifest: bytes, tag: str | None, media_type: str) -> None:
    """Record an image that was pushed; the same image again changes nothing."""
    owner = image_of(name, tag or digest_of(manifest))
    if owner is None or owner.image_digest != digest_of(manifest):
        if owner is not None:
            owner.remove_tag(tag)  # it stays, untagged; moto would delete it
        _backend().put_image(name, manifest.decode(), tag, media_type, digest_of(manifest))


def digest_of(manifest: bytes) -> str:
    """Return a manifest's digest, the hash of its bytes."""
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def _digest(self: Any) -> str:
    return digest_of(self.image_manifest.encode())


def _size(self: Any) -> int | None:
    """Return the size of layers and configuration; a list of manifests has none."""
    manifest = json.loads(self.image_manifest)
    if "layers" not in manifest:
        return None
    return sum(int(part["size"]) for part in [manifest["config"], *manifest["layers"]])


def _get_authorization_token(self: Any) -> ActionResult:
    signed = signatures.read(self.headers.get("Authorization", ""))
    session = self.headers.get("X-Amz-Security-Token")
    password, until = issue((signed.key_id, session) if signed else None)
    data = {
        "authorizationToken": base64.b64encode(f"AWS:{password}".encode()).decode(),
        "expiresAt": moment(until),
        "proxyEndpoint": f"https://{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com",
    }
    return ActionResult({"authorizationData": [data]})


def _put_image_call(self: Any) -> ActionResult:
    """Answer PutImage, whose manifest's layers must have been pushed."""
    name, manifest = self._get_param("repositoryName"), self._get_param("imageManifest").encode()
    self.ecr_backend._get_repository(name, self._get_param("registryId"))
    digest, tag = self._get_param("imageDigest"), self._get_param("imageTag")
    if digest and digest != digest_of(manifest):
        raise WrongDigest(f"The provided digest '{digest}' does not match the image's.")
    check_image(name, manifest, tag)
    media_type = self._get_param("imageManifestMediaType")
    image = self.ecr_backend.put_image(name, manifest.decode(), tag, media_type, None)
    return ActionResult({"image": image})


@cache
def install() -> None:
    """Give ECR its tokens, digests and sizes."""
    ECRResponse.get_authorization_token = _get_authorization_token
    ECRResponse.put_image = _put_image_call
    Image.get_image_digest = _digest
    Image.get_image_size_in_bytes = _size


def attach(world: World) -> None:
    """Nothing happens here by itself."""
