"""What is attested of an image, and whether that holds. Reads AWS (KMS, S3).

Each attestation is a statement that was signed when the image was baked, or once drills have passed
on a cluster of it (statements.py), and is kept beside the image's other files.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from securesystemslib.signer import Key  # type: ignore[attr-defined] # its own name

from bake.catalog import Image
from bake.image_files import BILLS, COPY, DRILLS, ORIGIN, TESTS, Kept
from bake.signing import opened, public_key
from common.clients import Clients
from common.environment import Environment

# https://slsa.dev/spec/v1.0/provenance
PROVENANCE = "https://slsa.dev/provenance/v1"
# https://github.com/in-toto/attestation/tree/main/spec/predicates: reference.md, test-result.md
REFERENCE = "https://in-toto.io/attestation/reference/v0.1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
# As a test result, but of drills: what is said of one must not pass for the other.
DRILL_RESULT = "urn:raykiln:drills:v1"
DIGEST = "raykilnDigest"
# Of which images an image is a copy, and by which keys what is attested of those is signed.
COPY_OF = "urn:raykiln:copy:v1"

Statement = dict[str, Any]

# The word of [images] require: file, type of the predicate.
KINDS = {
    "tests": (TESTS, TEST_RESULT),
    "sbom": (BILLS, REFERENCE),
    "provenance": (ORIGIN, PROVENANCE),
    "drills": (DRILLS, DRILL_RESULT),
}


@dataclass(frozen=True)
class Attestation:
    """One attestation of an image; ``problem`` says why it does not hold, empty if it does."""

    kind: str
    problem: str
    predicate: dict[str, Any]

    @property
    def words(self) -> str:
        """Return it as a line."""
        return f"{self.kind}: {self.problem or _SUMMARIES[self.kind](self.predicate)}"


@dataclass(frozen=True)
class Trust:
    """Whose signatures count for which images: statements of ``ami_ids`` by one of the keys."""

    keys: tuple[Key, ...]
    ami_ids: tuple[str, ...]


def read_attestations(
    clients: Clients,
    environment: Environment,
    image: Image,
    kinds: Iterable[str] = KINDS,
    bucket: str = "",
) -> tuple[Attestation, ...]:
    """Return what is attested of an image in a bucket, by default the environment's own.

    Trusted are the keys of the environment and of the one that its images are promoted from. What
    was attested of the original of a copy counts for the copy.
    """
    kept = Kept(clients, bucket or environment.images_bucket, image)
    texts = {kind: kept.read(KINDS[kind][0]) for kind in kinds}
    trust = trusted(environment, kept) if any(texts.values()) else ()
    return tuple(_attestation(kept, kind, text, trust) for kind, text in texts.items())


def lacking(
    clients: Clients,
    environment: Environment,
    image: Image,
    bucket: str = "",
    trusting: Environment | None = None,
) -> Iterator[str]:
    """Yield what an image lacks of what ``[images] require`` lists.

    ``trusting``: whose trust counts, if it is not the environment's own.
    """
    if environment.images_require:
        required = environment.images_require
        whose = trusting or environment
        for one in read_attestations(clients, whose, image, required, bucket):
            if one.problem:
                yield f"{image.ami_id}: {one.words}"


def trusted_keys(clients: Clients, environment: Environment) -> list[Key]:
    """Return the public keys of this account and region whose signatures count."""
    promoted = [environment.promotion.source] if environment.promotion else []
    names = [] if environment.copies_images else promoted
    return [public_key(clients, name) for name in (*names, environment.name)]


def trusted(environment: Environment, kept: Kept) -> tuple[Trust, ...]:
    """Return whose statements count for an image: for a copy, also those of its originals."""
    keys = tuple(trusted_keys(kept.clients, environment))
    own = Trust(keys, (kept.image.ami_id,))
    copied = copied_from(kept, own)
    return (own, copied) if copied else (own,)


def copied_from(kept: Kept, own: Trust) -> Trust | None:
    """Return what whoever copied an image has signed of its originals.

    None for an image that is no copy, and when what is said does not hold.
    """
    text = kept.read(COPY)
    if text is None:
        return None
    try:
        predicate = _predicate(text, (own,), kept.image, COPY_OF)
        originals = predicate["originals"]
        if any(one["digest"] != {DIGEST: kept.image.digest} for one in originals):
            return None
        keys = tuple(Key.from_dict(one.pop("keyid"), one) for one in predicate["keys"])
        return Trust(keys, tuple(str(one["name"]) for one in originals))
    except (ValueError, KeyError, TypeError):
        return None


def _attestation(
    kept: Kept, kind: str, text: bytes | None, trust: tuple[Trust, ...]
) -> Attestation:
    if text is None:
        return Attestation(kind, "not attested", {})
    try:
        predicate = _predicate(text, trust, kept.image, KINDS[kind][1])
        if kind == "sbom":
            _check_bills(kept, predicate)
    except (ValueError, KeyError, TypeError) as error:
        return Attestation(kind, f"does not hold: {error}", {})
    return Attestation(kind, "", predicate)


def _predicate(text: bytes, trust: tuple[Trust, ...], image: Image, kind: str) -> dict[str, Any]:
    """Return what a statement says of an image; raises ValueError unless that counts."""
    statement, ami_ids = _opened(text, trust)
    subjects = [{"name": name, "digest": {DIGEST: image.digest}} for name in ami_ids]
    if not any(one in statement["subject"] for one in subjects):
        raise ValueError("it is of another image")
    if statement["predicateType"] != kind:
        raise ValueError(f"it says {statement['predicateType']}")
    predicate: dict[str, Any] = statement["predicate"]
    is_result = kind in (TEST_RESULT, DRILL_RESULT)
    if is_result and (predicate["result"] != "PASSED" or not predicate["passedTests"]):
        raise ValueError("the tests did not pass")
    return predicate


def _opened(text: bytes, trust: tuple[Trust, ...]) -> tuple[Statement, tuple[str, ...]]:
    """Return the statement, and of which images its signer may speak."""
    *others, last = trust
    for one in others:
        with suppress(ValueError):
            return opened(text, list(one.keys)), one.ami_ids
    return opened(text, list(last.keys)), last.ami_ids


def _check_bills(kept: Kept, predicate: dict[str, Any]) -> None:
    """Raise ValueError unless the bills are those that were signed for."""
    for one in predicate["references"]:
        text = kept.read(one["name"]) or b""
        if hashlib.sha256(text).hexdigest() != one["digest"]["sha256"]:
            raise ValueError(f"{one['name']} is missing or was changed")


def _tests_words(predicate: dict[str, Any]) -> str:
    when = max(one["annotations"]["startedOn"] for one in predicate["configuration"])
    skipped = len(predicate["warnedTests"])
    more = f", {skipped} skipped" if skipped else ""
    return f"{len(predicate['passedTests'])} passed{more}, {when[:19]}Z"


def _sbom_words(predicate: dict[str, Any]) -> str:
    found = (f"{one['name']} sha256 {one['digest']['sha256']}" for one in predicate["references"])
    return "; ".join(found)


def _provenance_words(predicate: dict[str, Any]) -> str:
    definition, run = predicate["buildDefinition"], predicate["runDetails"]
    found = {one["name"]: one for one in definition["resolvedDependencies"]}
    return (
        f"commit {found['source']['digest']['gitCommit']}, {found['base image']['uri']}, "
        f"baked by {run['builder']['id']} for {definition['externalParameters']['environment']}, "
        f"{run['metadata']['finishedOn']}"
    )


_SUMMARIES = {
    "tests": _tests_words,
    "sbom": _sbom_words,
    "provenance": _provenance_words,
    "drills": _tests_words,
}
