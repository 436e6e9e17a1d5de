"""What is stated of an image that was baked, in full."""

import hashlib
from dataclasses import replace
from pathlib import Path

from bake import statements
from bake.base_image import BaseImage
from bake.statements import bills, provenance, statement
from bake.wanted import WantedImage
from tests.unit.bake.test_attestations import OWN, REPORT
from tests.unit.bake.test_build import a_build_spec


def sha256(text: str) -> dict[str, str]:
    return {"sha256": hashlib.sha256(text.encode()).hexdigest()}


def test_a_statement_is_of_one_image_by_our_digest() -> None:
    assert statement("ami-1", "d" * 64, "urn:kind", {"a": 1}) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "ami-1", "digest": {"raykilnDigest": "d" * 64}}],
        "predicateType": "urn:kind",
        "predicate": {"a": 1},
    }


def test_provenance_has_what_an_image_was_baked_from_and_by_whom(tmp_path: Path) -> None:
    lock = tmp_path / "source/ami-provisioners/ray.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("ray==2.60.0")
    spec = replace(
        a_build_spec(tmp_path, WantedImage("worker", "gpu")),
        source=tmp_path / "source",
        base=BaseImage("ami-0", "debian-12", "/dev/xvda"),
    )

    made = provenance(spec, "ami-1", "arn:aws:iam::1:role/bake", "2026-11-22T12:30:00Z")

    assert made == statement(
        "ami-1",
        "a" * 64,
        "https://slsa.dev/provenance/v1",
        {
            "buildDefinition": {
                "buildType": "urn:raykiln:bake:v1",
                "externalParameters": {
                    "environment": "dev",
                    "role": "worker",
                    "image": "gpu",
                    "architecture": "x86_64",
                    "python": "3.12",
                    "ray": "2.60.0",
                },
                "resolvedDependencies": [
                    {"name": "base image", "uri": "ami:ami-0#debian-12"},
                    {"name": "source", "digest": {"gitCommit": "abc"}},
                    {"name": "ami-provisioners/ray.lock", "digest": sha256("ray==2.60.0")},
                    {"name": "additions", "digest": {"sha256": spec.additions.digest}},
                ],
            },
            "runDetails": {
                "builder": {"id": "arn:aws:iam::1:role/bake"},
                "metadata": {
                    "invocationId": "20261122120000",
                    "startedOn": "2026-11-22T12:00:00Z",
                    "finishedOn": "2026-11-22T12:30:00Z",
                },
            },
        },
    )


def test_bills_are_named_by_their_hashes(tmp_path: Path) -> None:
    (tmp_path / "sbom.cdx.json").write_text("one")
    (tmp_path / "sbom.spdx.json").write_text("two")

    assert bills(a_build_spec(tmp_path), "ami-1", "arn:aws:iam::1:role/bake") == statement(
        "ami-1",
        "a" * 64,
        "https://in-toto.io/attestation/reference/v0.1",
        {
            "attester": {"id": "arn:aws:iam::1:role/bake"},
            "references": [
                {
                    "name": "sbom.cdx.json",
                    "mediaType": "application/vnd.cyclonedx+json",
                    "digest": sha256("one"),
                },
                {
                    "name": "sbom.spdx.json",
                    "mediaType": "application/spdx+json",
                    "digest": sha256("two"),
                },
            ],
        },
    )


def test_tests_that_passed_and_those_that_were_skipped_are_named_by_their_reports(
    tmp_path: Path,
) -> None:
    (tmp_path / "image-tests.xml").write_text(REPORT)
    (tmp_path / "own-tests.xml").write_text(OWN)

    assert statements.tests(a_build_spec(tmp_path), "ami-1", "d" * 64) == statement(
        "ami-1",
        "d" * 64,
        "https://in-toto.io/attestation/test-result/v0.1",
        {
            "result": "PASSED",
            "configuration": [
                {
                    "name": "image-tests",
                    "digest": sha256(REPORT),
                    "annotations": {"startedOn": "2026-11-22T12:05:00.5+00:00"},
                },
                {
                    "name": "own-tests",
                    "digest": sha256(OWN),
                    "annotations": {"startedOn": "2026-11-23T12:05:00.5+00:00"},
                },
            ],
            "passedTests": [
                "tests.image.test_ray::test_ray",
                "tests.image.test_clean::test_clean",
                "test_apps::test_apps",
            ],
            "warnedTests": ["test_apps::test_gpu"],
            "failedTests": [],
        },
    )
