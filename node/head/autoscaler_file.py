"""The YAML that Ray's autoscaler uses: the one that this instance's tag names, fetched, checked
and tried on the image's Ray. Reads the metadata service and S3, writes /run/ray.

By the tag a deploy gives a running head another document: tags in metadata follow
CreateTags at once on Nitro instances, and their keys may contain colons
(docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html). Ray reads the file again
in each round of its autoscaler, and launches what it says (ray/autoscaler/v2/autoscaler.py,
instance_manager/config.py, FileConfigReader): nothing has to be restarted.
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
LONGEST = 500  # characters of a reason in the lease
REQUIRED = {"cluster_name", "provider", "head_node_type", "available_node_types"}


class AutoscalerFile:
    """The file at ``path``; ``uri`` is its source, stored beside it for our next process.

    ``refused`` is the source that the tag names and that cannot be used, a space, and why.
    """

    def __init__(
        self,
        path: Path,
        identity: Identity,
        *,
        s3: Any,
        read_tag: Callable[[str], str | None],
        refusal: Callable[[Path], str],
        log: Log,
    ) -> None:
        self._path, self._identity = path, identity
        self._s3, self._read_tag, self._refusal, self._log = s3, read_tag, refusal, log
        self._trial = path.with_suffix(".new")
        self._by_ray: dict[str, str] = {}  # what Ray said of the source that it refused last
        self.refused = ""
        self._source = path.with_suffix(".uri")
        self.uri = self._source.read_text() if self._source.exists() and path.exists() else ""
        self._complaint = ""

    def refresh(self) -> None:
        """Write the document that the tag names to ``path``, completely or not at all.

        A document that cannot be read, or that Ray could not use, never replaces one that it can;
        the reason is logged once. Raises NotNow or NotFit only while there is none at all.
        """
        uri = ""
        try:
            uri = self._named()
            if uri != self.uri:
                self._replace(uri)
        except (NotNow, NotFit) as error:
            self.refused = one_line(uri, error) if isinstance(error, NotFit) else ""
            if not self.uri:
                raise
            self._complain(str(error))
        else:
            self._complaint = self.refused = ""

    def _named(self) -> str:
        """Return the tag; a missing one may come: a group tags instances after it launched them."""
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
        if uri in self._by_ray:
            raise NotFit(self._by_ray[uri])
        key = place.path.lstrip("/")
        content = asked(uri, self._s3.get_object, Bucket=place.netloc, Key=key)["Body"].read()
        check_autoscaler(content, uri, self._identity)
        self._try(content, uri)
        self._source.unlink(missing_ok=True)  # between the two writes the file has no source
        write_whole(self._path, content.decode(), 0o644)
        write_whole(self._source, uri, 0o644)
        self.uri = uri
        self._log("autoscaler's YAML written", uri=uri)

    def _try(self, content: bytes, uri: str) -> None:
        """Raise NotFit unless this image's Ray accepts the document; a refused one stays so."""
        write_whole(self._trial, content.decode(), 0o644)
        try:
            why = self._refusal(self._trial)
        finally:
            self._trial.unlink()
        if why:
            self._by_ray = {uri: f"Ray refuses {uri}: {why}"}
            raise NotFit(self._by_ray[uri])

    def _complain(self, why: str) -> None:
        if why != self._complaint:
            self._complaint = why
            self._log("autoscaler's YAML kept", level=WARNING, uri=self.uri, why=why)


def one_line(uri: str, error: Exception) -> str:
    """Return what a deployer reads in the lease."""
    return f"{uri} {' '.join(str(error).split())[:LONGEST]}"


def check_autoscaler(content: bytes, where: str, identity: Identity) -> None:
    """Raise NotFit unless Ray's autoscaler v2 could use this document.

    The key's name is the content's digest, which shows an object that is incomplete or not ours.
    """
    named = re.fullmatch(NAME, where.rpartition("/")[2])
    if named and hashlib.sha256(content).hexdigest()[:AUTOSCALER_DIGEST_CHARACTERS] != named[1]:
        raise NotFit(f"{where}: its content does not have the digest in its name")
    try:
        found = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise NotFit(f"{where} does not parse: {_place(error)}") from error
    if not isinstance(found, dict):
        raise NotFit(f"{where} is not a mapping")
    if missing := sorted(REQUIRED - found.keys()):
        raise NotFit(f"{where} lacks {', '.join(missing)}")
    if found["cluster_name"] != identity.environment:
        raise NotFit(f"{where} is for {found['cluster_name']}, not {identity.environment}")
    if found["head_node_type"] != identity.node_type:
        raise NotFit(f"{where} does not call its head {identity.node_type}")


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "no YAML"
