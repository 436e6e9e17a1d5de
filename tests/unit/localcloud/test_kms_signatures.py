"""KMS in the local cloud signs as AWS does: what it signs verifies with the public key alone."""

import hashlib

import pytest
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.unit.localcloud.conftest import Clients

ALGORITHM = ec.ECDSA(hashes.SHA256())


def test_a_hash_is_signed_as_it_is(aws: Clients) -> None:
    key = aws("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    aws("kms").create_alias(AliasName="alias/one", TargetKeyId=key["KeyId"])
    found = aws("kms").get_public_key(KeyId="alias/one")
    public = load_der_public_key(found["PublicKey"])
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert (found["KeyId"], found["KeySpec"]) == (key["Arn"], "ECC_NIST_P256")

    content = b"x" * 10_000
    for name in ("alias/one", key["Arn"]):
        signed = aws("kms").sign(
            KeyId=name,
            Message=hashlib.sha256(content).digest(),
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )
        public.verify(signed["Signature"], content, ALGORITHM)
        assert signed["KeyId"] == key["Arn"]
        with pytest.raises(InvalidSignature):
            public.verify(signed["Signature"], content + b"x", ALGORITHM)


def test_a_text_is_signed_too(aws: Clients) -> None:
    key = aws("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    public = load_der_public_key(aws("kms").get_public_key(KeyId=key["KeyId"])["PublicKey"])
    assert isinstance(public, ec.EllipticCurvePublicKey)

    signed = aws("kms").sign(KeyId=key["KeyId"], Message=b"text", SigningAlgorithm="ECDSA_SHA_256")

    public.verify(signed["Signature"], b"text", ALGORITHM)


def test_a_key_that_does_not_exist_has_no_public_half(aws: Clients) -> None:
    with pytest.raises(ClientError, match="NotFoundException"):
        aws("kms").get_public_key(KeyId="alias/none")
