"""Attest an image: state what it is and what was proven of it, and sign that.

Reads AWS (STS), signs there (KMS), and changes it (S3). The statements are in-toto's
(https://github.com/in-toto/attestation/tree/main/spec/v1). Their subject is an AMI: EC2 gives it no
hash of its content, but neither content nor id of an AMI ever changes. Its digest here is ours, of
all that shapes the image.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from securesystemslib.signer import Key  # type: ignore[attr-defined] # its own name

from bake.attestations import (
    COPY_OF,
    DIGEST,
    DRILL_RESULT,
    KINDS,
    PROVENANCE,
    REFERENCE,
    TEST_RESULT,
    Statement,
    read_attestations,
)
from bake.catalog import Image
from bake.files import LOCK
from bake.image_files import COPY, CYCLONEDX, SPDX, Kept, store
from bake.signing import KmsSigner, sign
from bake.spec import BuildSpec, ImageSpec
from common.clients import Clients, translated
from common.environment import Environment

STATEMENT = "https://in-toto.io/Statement/v1"
# SLSA wants a URI that says how to read the parameters; docs/images.md does.
BUILD_TYPE = "urn:raykiln:bake:v1"
MEDIA_TYPES = {CYCLONEDX: "application/vnd.cyclonedx+json", SPDX: "application/spdx+json"}


def attest_build(
    clients: Clients, environment: Environment, spec: BuildSpec, ami_id: str, finished: str
) -> None:
    """Sign and keep what is attested of an image that was built and has passed its tests."""
    with translated("reading who bakes"):
        builder = str(clients("sts").get_caller_identity()["Arn"])
    made = {
        "tests": tests(spec, ami_id, spec.digest),
        "sbom": bills(spec, ami_id, builder),
        "provenance": provenance(spec, ami_id, builder, finished),
    }
    _keep(clients, environment, made, spec.digest, ami_id)


def attest_tests(clients: Clients, environment: Environment, spec: ImageSpec, image: Image) -> None:
    """Sign and keep that an image has passed a person's own tests of now, after the others."""
    before = read_attestations(clients, environment, image, ("tests",))[0]
    if before.problem:
        return
    made = tests(spec, image.ami_id, image.digest)
    ours = [name for name in before.predicate["passedTests"] if name.startswith("tests.image.")]
    made["predicate"]["passedTests"] = [*ours, *made["predicate"]["passedTests"]]
    _keep(clients, environment, {"tests": made}, image.digest, image.ami_id)


def attest_drills(
    clients: Clients,
    environment: Environment,
    image: Image,
    release: str,
    drills: Mapping[str, str],
) -> None:
    """Sign and keep which drills have passed on a cluster of an image, beside earlier ones.

    ``drills``: when the last run of each began, ISO 8601, by name.
    """
    before = read_attestations(clients, environment, image, ("drills",))[0]
    names = {*before.predicate.get("passedTests", ()), *drills}
    earlier = before.predicate.get("configuration", ())
    now = {"name": f"release {release}", "annotations": {"startedOn": max(drills.values())}}
    predicate = {
        "result": "PASSED",
        "configuration": [*earlier, now],
        "passedTests": sorted(names),
        "warnedTests": [],
        "failedTests": [],
    }
    made = statement(image.ami_id, image.digest, DRILL_RESULT, predicate)
    _keep(clients, environment, {"drills": made}, image.digest, image.ami_id)


def attest_copy(
    clients: Clients,
    environment: Environment,
    image: Image,
    originals: Iterable[tuple[str, Mapping[str, str]]],
    keys: Iterable[Key],
    finished: str,
) -> None:
    """Sign and keep of which images an image is a copy, and whose statements of those count.

    ``originals``: their ids, and where they are; ``finished``: ISO 8601.
    """
    with translated("reading who copies"):
        copier = str(clients("sts").get_caller_identity()["Arn"])
    made = statement(
        image.ami_id,
        image.digest,
        COPY_OF,
        {
            "copier": {"id": copier},
            "finishedOn": finished,
            "originals": [
                {"name": ami_id, "digest": {DIGEST: image.digest}, "annotations": dict(where)}
                for ami_id, where in originals
            ],
            "keys": [{"keyid": key.keyid, **key.to_dict()} for key in keys],
        },
    )
    text = sign(KmsSigner(clients, environment), made).encode()
    Kept(clients, environment.images_bucket, image).store(COPY, text)


def statement(ami_id: str, digest: str, kind: str, predicate: Mapping[str, Any]) -> Statement:
    """Return a statement of an image; ``kind`` is the type of the predicate."""
    return {
        "_type": STATEMENT,
        "subject": [{"name": ami_id, "digest": {DIGEST: digest}}],
        "predicateType": kind,
        "predicate": dict(predicate),
    }


def provenance(spec: BuildSpec, ami_id: str, builder: str, finished: str) -> Statement:
    """Return what an image was baked from, and by whom.

    ``builder`` is the ARN that baked it, ``finished`` ISO 8601.
    """
    settings, image = spec.settings, spec.image
    return statement(
        ami_id,
        spec.digest,
        PROVENANCE,
        {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "environment": spec.environment.name,
                    "role": image.role,
                    "image": image.name,
                    "architecture": settings.architecture,
                    "python": settings.python,
                    "ray": spec.ray_version,
                },
                "resolvedDependencies": [
                    {"name": "base image", "uri": f"ami:{spec.base.ami_id}#{spec.base.name}"},
                    {"name": "source", "digest": {"gitCommit": spec.git}},
                    {"name": str(LOCK), "digest": {"sha256": _sha256(spec.source / LOCK)}},
                    {"name": "additions", "digest": {"sha256": spec.additions.digest}},
                ],
            },
            "runDetails": {
                "builder": {"id": builder},
                "metadata": {
                    "invocationId": spec.stamp,
                    "startedOn": spec.built,
                    "finishedOn": finished,
                },
            },
        },
    )


def bills(spec: BuildSpec, ami_id: str, builder: str) -> Statement:
    """Return which bills of materials are the image's, by their hashes."""
    references = [
        {"name": name, "mediaType": kind, "digest": {"sha256": _sha256(spec.folder / name)}}
        for name, kind in MEDIA_TYPES.items()
    ]
    predicate = {"attester": {"id": builder}, "references": references}
    return statement(ami_id, spec.digest, REFERENCE, predicate)


def tests(spec: ImageSpec, ami_id: str, digest: str) -> Statement:
    """Return which tests an image has passed, and when; read from the reports in its folder."""
    reports = sorted(spec.folder.glob("*-tests.xml"))
    predicate = {
        "result": "PASSED",
        "configuration": [
            {"name": path.stem, "digest": {"sha256": _sha256(path)}, "annotations": _when(path)}
            for path in reports
        ],
        "passedTests": [name for path in reports for name in _names(path, skipped=False)],
        "warnedTests": [name for path in reports for name in _names(path, skipped=True)],
        "failedTests": [],
    }
    return statement(ami_id, digest, TEST_RESULT, predicate)


def _keep(
    clients: Clients,
    environment: Environment,
    made: dict[str, Statement],
    digest: str,
    ami_id: str,
) -> None:
    signer = KmsSigner(clients, environment)
    for kind, statement in made.items():
        text = sign(signer, statement).encode()
        store(clients, environment.images_bucket, digest, ami_id, KINDS[kind][0], text)


def _names(report: Path, *, skipped: bool) -> list[str]:
    return [
        f"{case.get('classname')}::{case.get('name', '').partition('[')[0]}"
        for case in _tree(report).iter("testcase")
        if (case.find("skipped") is not None) == skipped
    ]


def _when(report: Path) -> dict[str, str]:
    suites = [suite.get("timestamp", "") for suite in _tree(report).iter("testsuite")]
    return {"startedOn": min(suites, default="")}


def _tree(report: Path) -> Any:
    return ElementTree.parse(report)  # noqa: S314 (written by our pytest)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
