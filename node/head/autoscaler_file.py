"""The YAML that Ray's autoscaler works by: the one that this instance's tag names, fetched and
checked. Reads the metadata service and S3, writes /run/ray.

The tag is how a deploy tells a running head of another document: tags in metadata follow
CreateTags at once on Nitro instances, and their keys may contain colons
(docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html). Ray reads the file anew
in each round of its autoscaler, and launches by what it read (ray/autoscaler/v2/autoscaler.py,
instance_manager/config.py, FileConfigReader): nothing has to be started again.
"""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from node.contract import AUTOSCALER_DIGEST_CHARACTERS, AUTOSCALER_TAG
from node.identity import Identity, NoMetadata, write_whole
from node.log import WARNING, Log
from node.ray.token import NotFit, NotNow, asked

NAME = rf"([0-9a-f]{{{AUTOSCALER_DIGEST_CHARACTERS}}})\.yaml"
WANTED = {"cluster_name", "provider", "head_node_type", "available_node_types"}


class AutoscalerFile:
    """The file at ``path``; ``uri`` is where it came from, kept beside it for our next process."""

    def __init__(
        self,
        path: Path,
        identity: Identity,
        *,
        s3: Any,
        read_tag: Callable[[str], str | None],
        log: Log,
    ) -> None:
        self._path, self._identity = path, identity
        self._s3, self._read_tag, self._log = s3, read_tag, log
        self._source = path.with_suffix(".uri")
        self.uri = self._source.read_text() if self._source.exists() and path.exists() else ""
        self._complaint = ""

    def refresh(self) -> None:
        """Have the document that the tag names lie at ``path``, whole.

        Raises NotNow or NotFit only while there is none at all: what cannot be had, or is not fit,
        never replaces one that is; the reason is logged once.
        """
        try:
            uri = self._named()
            if uri != self.uri:
                self._replace(uri)
        except (NotNow, NotFit) as error:
            if not self.uri:
                raise
            self._complain(str(error))
        else:
            self._complaint = ""

    def _named(self) -> str:
        """Return the tag; one that is missing may come: groups tag what they have launched."""
        try:
            uri = self._read_tag(AUTOSCALER_TAG)
        except NoMetadata as error:
            raise NotNow(f"tag {AUTOSCALER_TAG}: {error}") from error
        if not uri:
            raise NotNow(f"this instance has no tag {AUTOSCALER_TAG}")
        return uri

    def _replace(self, uri: str) -> None:
        place = urlsplit(uri)
        if place.scheme != "s3":
            raise NotFit(f"tag {AUTOSCALER_TAG} names no object in S3: {uri}")
        key = place.path.lstrip("/")
        content = asked(uri, self._s3.get_object, Bucket=place.netloc, Key=key)["Body"].read()
        check_autoscaler(content, uri, self._identity)
        self._source.unlink(missing_ok=True)  # what lies between the two writes is nobody's
        write_whole(self._path, content.decode(), 0o644)
        write_whole(self._source, uri, 0o644)
        self.uri = uri
        self._log("autoscaler's YAML written", uri=uri)

    def _complain(self, why: str) -> None:
        if why != self._complaint:
            self._complaint = why
            self._log("autoscaler's YAML kept", level=WARNING, uri=self.uri, why=why)


def check_autoscaler(content: bytes, where: str, identity: Identity) -> None:
    """Raise NotFit unless Ray's autoscaler v2 could work with this document.

    The key's name is the content's digest, so that a half-written or exchanged object is noticed.
    """
    named = re.fullmatch(NAME, where.rpartition("/")[2])
    if named and hashlib.sha256(content).hexdigest()[:AUTOSCALER_DIGEST_CHARACTERS] != named[1]:
        raise NotFit(f"{where}: its content is not what its name says")
    try:
        found = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise NotFit(f"{where} does not parse: {_place(error)}") from error
    if not isinstance(found, dict):
        raise NotFit(f"{where} is not a mapping")
    if missing := sorted(WANTED - found.keys()):
        raise NotFit(f"{where} lacks {', '.join(missing)}")
    if found["cluster_name"] != identity.environment:
        raise NotFit(f"{where} is for {found['cluster_name']}, not {identity.environment}")
    if found["head_node_type"] != identity.node_type:
        raise NotFit(f"{where} does not call its head {identity.node_type}")


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "no YAML"
