"""Sign statements and verify signatures. Touches AWS (KMS, STS).

The stack of an environment's account makes an asymmetric key, which only the bake role may sign
with. A statement is signed in an envelope (https://github.com/secure-systems-lab/dsse), and
verified on this machine with the public key:
https://docs.aws.amazon.com/kms/latest/developerguide/offline-public-key.html
"""

import hashlib
import json
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.serialization import load_der_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import (  # type: ignore[attr-defined] # its own names of these
    Key,
    Signature,
    Signer,
    SSlibKey,
)

from common.clients import Clients, error_code, translated
from common.environment import Environment
from common.errors import Refused

PAYLOAD = "application/vnd.in-toto+json"


class KmsSigner(Signer):
    """Signs with an environment's key. The library's own signer takes no clients of ours."""

    def __init__(self, clients: Clients, environment: Environment) -> None:
        self._clients, self._environment = clients, environment

    @cached_property
    def public_key(self) -> SSlibKey:
        """The public half of the key."""
        return public_key(self._clients, self._environment.name)

    @classmethod
    def from_priv_key_uri(cls, *arguments: Any, **keywords: Any) -> "KmsSigner":
        """Refuse it: no URI names a client."""
        raise NotImplementedError

    def sign(self, payload: bytes) -> Signature:
        """Return the signature; KMS signs its hash, as it takes 4,096 bytes at most."""
        key = self.public_key
        with translated(f"signing with {key.keyid}"):
            signed = self._clients("kms").sign(
                KeyId=key.keyid,
                Message=hashlib.sha256(payload).digest(),
                MessageType="DIGEST",
                SigningAlgorithm="ECDSA_SHA_256",
            )
        return Signature(key.keyid, signed["Signature"].hex())


def key_alias(environment: str) -> str:
    """Return the alias of an environment's key."""
    return f"alias/raykiln-{environment}-images"


def public_key(clients: Clients, environment: str) -> SSlibKey:
    """Return the public half of an environment's key; raises Refused when it has none."""
    alias = key_alias(environment)
    with translated(f"reading the public key of {alias}"):
        try:
            found = clients("kms").get_public_key(KeyId=alias)
        except ClientError as error:
            if error_code(error) == "NotFoundException":
                raise Refused(
                    f"there is no key {alias}, which a bake of {environment} signs with",
                    hint=f"an administrator runs: invoke account.setup --env {environment}",
                ) from error
            raise
    return SSlibKey.from_crypto(load_der_public_key(found["PublicKey"]), keyid=found["KeyId"])


def sign(signer: Signer, statement: dict[str, Any]) -> str:
    """Return a statement in its signed envelope, as JSON."""
    envelope = Envelope(json.dumps(statement, sort_keys=True).encode(), PAYLOAD, {})
    envelope.sign(signer)
    return json.dumps(envelope.to_dict(), indent=1)


def opened(text: bytes, keys: list[Key]) -> dict[str, Any]:
    """Return the statement in an envelope that one of the keys has signed.

    Raises ValueError for another text, and for one that none of them has signed.
    """
    try:
        envelope = Envelope.from_dict(json.loads(text))
        envelope.verify(keys, 1)
    except VerificationError as error:
        raise ValueError("none of the keys has signed it") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("it is no envelope") from error
    if envelope.payload_type != PAYLOAD:
        raise ValueError(f"its content is of the type {envelope.payload_type}")
    found: dict[str, Any] = json.loads(envelope.payload)
    return found
