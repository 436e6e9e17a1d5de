"""The pipeline's image in ECR: found by its tag, or built and pushed. Touches AWS (ECR).

The tag is the digest of all that shapes the image, so what is there already is not built again. A
killed run leaves no tag: a registry stores it last.
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.errors import PipelineError
from common.progress import Say
from deploy.documents.builder import Builder, check_space, find_builder
from deploy.documents.context import Ingredients, build_context


def find_image(clients: Clients, uri: str, tag: str) -> str:
    """Return the image of that tag by its digest, ``URI@sha256:…``; empty when there is none."""
    with translated(f"looking for {uri}:{tag}"):
        try:
            found = clients("ecr").describe_images(
                repositoryName=repository_name(uri), imageIds=[{"imageTag": tag}]
            )
        except ClientError as error:
            if error_code(error) != "ImageNotFoundException":
                raise
            return ""
    return f"{uri}@{found['imageDetails'][0]['imageDigest']}"


def ensure_image(
    clients: Clients, uri: str, ingredients: Ingredients, cache: Path, progress: Say
) -> str:
    """Return the image by its digest; build and push it unless the repository has it.

    Raises Refused when nothing here can build or there is no space; PipelineError, with the last
    lines of the tool, when it failed.
    """
    tag = ingredients.tag
    if found := find_image(clients, uri, tag):
        return found
    builder = find_builder()
    cache.mkdir(parents=True, exist_ok=True)
    check_space(cache)
    with build_context(ingredients, cache) as folder:
        builder.build(folder, ingredients.base, f"{uri}:{tag}", progress)
    log_in(clients, builder, uri)
    builder.push(f"{uri}:{tag}", progress)
    if found := find_image(clients, uri, tag):
        return found
    raise PipelineError(f"{uri}:{tag} was pushed, but ECR does not have it", hint="deploy again")


def log_in(clients: Clients, builder: Builder, uri: str) -> None:
    """Log the tool in to the registry, for the 12 hours that ECR's token is valid."""
    with translated("asking ECR for a token"):
        found = clients("ecr").get_authorization_token()["authorizationData"][0]
    password = base64.b64decode(found["authorizationToken"]).decode().partition(":")[2]
    builder.log_in(uri.partition("/")[0], password)


def repository_name(uri: str) -> str:
    """Return a repository's name from its URI, ``REGISTRY/NAME``."""
    return uri.partition("/")[2]


class Images(Protocol):
    """Where a deploy has its image from."""

    def find(self, uri: str) -> str:
        """Return the image by its digest; empty while the repository does not have it."""

    def ensure(self, uri: str, progress: Say) -> str:
        """Return the image by its digest, building it if need be."""

    @property
    def words(self) -> str:
        """Name it for a person."""


@dataclass(frozen=True)
class BuiltImage:
    """The image that this checkout makes."""

    clients: Clients
    ingredients: Ingredients
    cache: Path

    def find(self, uri: str) -> str:
        return find_image(self.clients, uri, self.ingredients.tag)

    def ensure(self, uri: str, progress: Say) -> str:
        return ensure_image(self.clients, uri, self.ingredients, self.cache, progress)

    @property
    def words(self) -> str:
        return self.ingredients.tag


@dataclass(frozen=True)
class GivenImage:
    """The image that the environment names."""

    image: str

    def find(self, uri: str) -> str:
        return self.image

    def ensure(self, uri: str, progress: Say) -> str:
        return self.image

    @property
    def words(self) -> str:
        return self.image
