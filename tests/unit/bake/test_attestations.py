"""What is attested of an image holds only as it was signed, for that image, by a trusted key."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bake.attestations import Trust, copied_from, lacking, read_attestations, trusted
from bake.catalog import Image, image_by_id
from bake.image_files import Kept, read_file, store, store_files
from bake.sbom import write_bills
from bake.signing import KmsSigner, opened, public_key, sign
from bake.statements import attest_build, attest_copy, attest_drills, attest_tests
from bake.wanted import WantedImage
from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from tests.unit.bake.conftest import register
from tests.unit.bake.inventories import inventory_json
from tests.unit.bake.test_build import a_build_spec
from tests.unit.deploy.builders import an_environment

ALL = ["tests", "sbom", "provenance"]
REPORT = """<testsuites><testsuite timestamp="2026-11-22T12:05:00.5+00:00">
<testcase classname="tests.image.test_ray" name="test_ray[ssh://x]"/>
<testcase classname="tests.image.test_clean" name="test_clean"/>
</testsuite></testsuites>"""
OWN = """<testsuites><testsuite timestamp="2026-11-23T12:05:00.5+00:00">
<testcase classname="test_apps" name="test_apps"/>
<testcase classname="test_apps" name="test_gpu"><skipped message="no GPU"/></testcase>
</testsuite></testsuites>"""


def requiring(*words: str, **others: Any) -> Environment:
    return an_environment(images={"gpu": {"python": "3.12"}, "require": list(words)}, **others)


def make_key(clients: Clients, environment: str) -> None:
    """Make an environment's key, as the stack of its account does."""
    key = clients("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    alias = f"alias/raykiln-{environment}-images"
    clients("kms").create_alias(AliasName=alias, TargetKeyId=key["KeyId"])


def bake_one(
    clients: Clients,
    folder: Path,
    environment: Environment,
    signs: Clients | None = None,
    image: Image | None = None,
) -> Image:
    """Return an image with all that a bake keeps of it; ``signs`` are the clients of who bakes."""
    folder.mkdir(parents=True, exist_ok=True)
    image = image or image_by_id(clients, register(clients, "worker", digest="a" * 64))
    spec = replace(
        a_build_spec(folder, WantedImage(image.role)), environment=environment, digest=image.digest
    )
    (folder / "inventory.json").write_text(inventory_json())
    (folder / "image-tests.xml").write_text(REPORT)
    clients("s3").create_bucket(Bucket=environment.images_bucket)
    write_bills(spec)
    keeper = signs or clients
    store_files(keeper, environment.images_bucket, image.digest, image.ami_id, folder)
    attest_build(keeper, environment, spec, image.ami_id, "2026-11-22T12:06:00Z")
    return image


@pytest.fixture
def image(clients: Clients, tmp_path: Path) -> Image:
    make_key(clients, "dev")
    return bake_one(clients, tmp_path, requiring(*ALL))


def missing(clients: Clients, image: Image, *words: str, **others: Any) -> list[str]:
    return list(lacking(clients, requiring(*(words or ALL), **others), image))


def change(clients: Clients, image: Image, name: str, content: Any) -> None:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    store(clients, requiring().images_bucket, image.digest, image.ami_id, name, text)


def envelope(clients: Clients, image: Image, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        read_file(clients, requiring().images_bucket, image, name) or b""
    )
    return found


def test_a_bake_attests_tests_bills_and_provenance(clients: Clients, image: Image) -> None:
    assert missing(clients, image) == []
    tests, sbom, provenance, drills = read_attestations(clients, requiring(), image)

    assert tests.words == "tests: 2 passed, 2026-11-22T12:05:00Z"
    assert tests.predicate["passedTests"] == [
        "tests.image.test_ray::test_ray",
        "tests.image.test_clean::test_clean",
    ]
    assert [one["name"] for one in sbom.predicate["references"]] == [
        "sbom.cdx.json",
        "sbom.spdx.json",
    ]
    assert drills.problem == "not attested"
    definition = provenance.predicate["buildDefinition"]
    assert definition["externalParameters"]["role"] == "worker"
    assert definition["resolvedDependencies"][:2] == [
        {"name": "base image", "uri": "ami:ami-0123456789abcdef0#debian-12"},
        {"name": "source", "digest": {"gitCommit": "abc"}},
    ]
    assert "arn:aws:" in provenance.predicate["runDetails"]["builder"]["id"]
    assert provenance.words.startswith("provenance: commit abc, ami:ami-0123456789abcdef0#debian")


def test_nothing_is_asked_of_kms_or_s3_where_nothing_is_required(clients: Clients) -> None:
    bare = image_by_id(clients, register(clients, "worker"))

    assert list(lacking(clients, an_environment(), bare)) == []


def test_what_is_missing_is_named_and_nothing_beside(clients: Clients, image: Image) -> None:
    other = image_by_id(clients, register(clients, "worker"))

    assert missing(clients, other, "tests", "provenance") == [
        f"{other.ami_id}: tests: not attested",
        f"{other.ami_id}: provenance: not attested",
    ]


def tampered(clients: Clients, image: Image) -> Iterator[tuple[str, str, Any]]:
    """Yield what an attacker who may write to the bucket could put there."""
    tests = envelope(clients, image, "tests.dsse.json")
    sbom = envelope(clients, image, "sbom.dsse.json")
    yield "tests", "none of the keys has signed it", {**tests, "payload": sbom["payload"]}
    yield "tests", "none of the keys has signed it", {**tests, "signatures": []}
    yield "tests", "none of the keys has signed it", {**tests, "payloadType": "text/plain"}
    yield "tests", "it says https://in-toto.io/attestation/reference/v0.1", sbom
    yield "tests", "it is no envelope", {}
    yield "tests", "it is no envelope", []
    yield "tests", "Expecting value", b"x"


def test_what_was_changed_does_not_hold(clients: Clients, image: Image) -> None:
    for kind, why, content in list(tampered(clients, image)):
        change(clients, image, f"{kind}.dsse.json", content)

        (words,) = missing(clients, image)
        assert words.startswith(f"{image.ami_id}: {kind}: does not hold: {why}"), content


def test_a_bill_that_was_changed_does_not_hold(clients: Clients, image: Image) -> None:
    change(clients, image, "sbom.spdx.json", {"packages": []})

    assert missing(clients, image) == [
        f"{image.ami_id}: sbom: does not hold: sbom.spdx.json is missing or was changed"
    ]


def test_the_attestations_of_another_image_do_not_hold(clients: Clients, image: Image) -> None:
    other = image_by_id(clients, register(clients, "worker", digest="a" * 64))
    for name in ("tests.dsse.json", "sbom.dsse.json", "provenance.dsse.json"):
        change(clients, other, name, envelope(clients, image, name))

    assert missing(clients, other) == [
        f"{other.ami_id}: {kind}: does not hold: it is of another image" for kind in ALL
    ]


def test_another_key_is_trusted_only_where_its_images_are_promoted_from(
    clients: Clients, image: Image, tmp_path: Path
) -> None:
    make_key(clients, "staging")
    statement = json.loads(
        json.dumps(
            {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": [{"name": image.ami_id, "digest": {"raykilnDigest": image.digest}}],
                "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
                "predicate": {"result": "PASSED", "passedTests": ["one"]},
            }
        )
    )
    signer = KmsSigner(clients, an_environment(name="staging"))
    change(clients, image, "tests.dsse.json", sign(signer, statement).encode())

    assert missing(clients, image, "tests") == [
        f"{image.ami_id}: tests: does not hold: none of the keys has signed it"
    ]
    assert missing(clients, image, "tests", promotion={"source": "staging"}) == []


@pytest.mark.parametrize(
    "predicate",
    [{"result": "FAILED", "passedTests": ["one"]}, {"result": "PASSED", "passedTests": []}],
)
def test_tests_that_did_not_pass_are_no_proof(
    clients: Clients, image: Image, predicate: dict[str, Any]
) -> None:
    subject = [{"name": image.ami_id, "digest": {"raykilnDigest": image.digest}}]
    kind = "https://in-toto.io/attestation/test-result/v0.1"
    made = {"subject": subject, "predicateType": kind, "predicate": predicate}
    change(clients, image, "tests.dsse.json", sign(KmsSigner(clients, requiring()), made).encode())

    assert missing(clients, image, "tests") == [
        f"{image.ami_id}: tests: does not hold: the tests did not pass"
    ]


def test_new_tests_of_a_person_are_attested_beside_ours(
    clients: Clients, image: Image, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    again.mkdir()
    (again / "own-tests.xml").write_text(OWN)

    attest_tests(clients, requiring(), a_build_spec(again), image)

    (tests,) = read_attestations(clients, requiring(), image, ("tests",))
    assert tests.words == "tests: 3 passed, 1 skipped, 2026-11-23T12:05:00Z"
    assert tests.predicate["passedTests"][-1] == "test_apps::test_apps"


def test_drills_are_attested_beside_earlier_ones_and_tests_do_not_pass_for_them(
    clients: Clients, image: Image
) -> None:
    change(clients, image, "drills.dsse.json", envelope(clients, image, "tests.dsse.json"))
    assert missing(clients, image, "drills") == [
        f"{image.ami_id}: drills: does not hold: "
        "it says https://in-toto.io/attestation/test-result/v0.1"
    ]

    for name, day in (("gcs_killed", 22), ("head_terminated", 23)):
        when = {name: f"2026-11-{day}T10:00:00+00:00"}
        attest_drills(clients, requiring(), image, "0123456789abcdef", when)

    (drills,) = read_attestations(clients, requiring(), image, ("drills",))
    assert drills.words == "drills: 2 passed, 2026-11-23T10:00:00Z"
    assert drills.predicate["passedTests"] == ["gcs_killed", "head_terminated"]
    assert drills.predicate["configuration"][0]["name"] == "release 0123456789abcdef"


def test_an_environment_without_a_key_is_told_how_to_get_one(clients: Clients) -> None:
    with pytest.raises(Refused, match="there is no key alias/raykiln-dev-images") as refused:
        public_key(clients, "dev")

    assert "invoke account.setup --env dev" in refused.value.hint


def test_require_takes_what_can_be_attested_and_nothing_else() -> None:
    assert requiring("tests").images_require == ("tests",)
    assert set(requiring("tests").images) == {"gpu"}
    for wrong in ("tests", ["scan"], {"python": "3.12"}):
        with pytest.raises(Refused, match=r"images\.require: a list of some of tests, sbom, prov"):
            an_environment(images={"require": wrong})
    with pytest.raises(Refused, match=r"below \[images\]"):
        an_environment(images_require=["tests"])


WHERE = {"account": "123456789012", "region": "us-east-1"}


def copied(clients: Clients, image: Image) -> tuple[Kept, Trust]:
    """Say that an image is a copy of two; return where its files are, and whose word counts."""
    key = public_key(clients, "dev")
    attest_copy(
        clients,
        requiring(),
        image,
        [("ami-1", WHERE), ("ami-2", {})],
        [key],
        "2026-11-22T13:00:00Z",
    )
    kept = Kept(clients, requiring().images_bucket, image)
    return kept, Trust((key,), (image.ami_id,))


def test_of_a_copy_it_is_stated_what_it_is_of_and_whose_word_counts(
    clients: Clients, image: Image
) -> None:
    copied(clients, image)

    key = public_key(clients, "dev")
    statement = opened(json.dumps(envelope(clients, image, "copy.dsse.json")).encode(), [key])
    caller = clients("sts").get_caller_identity()["Arn"]
    digest = {"raykilnDigest": image.digest}
    assert statement == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": image.ami_id, "digest": digest}],
        "predicateType": "urn:raykiln:copy:v1",
        "predicate": {
            "copier": {"id": caller},
            "finishedOn": "2026-11-22T13:00:00Z",
            "originals": [
                {"name": "ami-1", "digest": digest, "annotations": WHERE},
                {"name": "ami-2", "digest": digest, "annotations": {}},
            ],
            "keys": [{"keyid": key.keyid, **key.to_dict()}],
        },
    }


def test_what_is_said_of_its_originals_counts_for_a_copy(clients: Clients, image: Image) -> None:
    kept, own = copied(clients, image)

    assert copied_from(kept, own) == Trust(own.keys, ("ami-1", "ami-2"))
    assert trusted(requiring(), kept) == (own, Trust(own.keys, ("ami-1", "ami-2")))


def test_an_image_that_is_no_copy_has_no_originals(clients: Clients, image: Image) -> None:
    kept = Kept(clients, requiring().images_bucket, image)
    own = Trust((public_key(clients, "dev"),), (image.ami_id,))

    assert copied_from(kept, own) is None
    assert trusted(requiring(), kept) == (own,)


def test_a_copy_whose_statement_does_not_hold_has_no_originals(
    clients: Clients, image: Image
) -> None:
    kept, own = copied(clients, image)

    assert copied_from(kept, replace(own, keys=())) is None
    assert copied_from(kept, replace(own, ami_ids=("ami-0",))) is None
    change(clients, image, "copy.dsse.json", b"{}")
    assert copied_from(kept, own) is None


def test_an_original_of_another_digest_is_none(clients: Clients, image: Image) -> None:
    kept, own = copied(clients, image)
    statement: Any = opened(kept.read("copy.dsse.json") or b"", list(own.keys))
    statement["predicate"]["originals"][1]["digest"] = {"raykilnDigest": "b" * 64}
    text = sign(KmsSigner(clients, requiring()), statement)
    change(clients, image, "copy.dsse.json", text.encode())

    assert copied_from(kept, own) is None
