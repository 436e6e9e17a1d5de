"""KMS signs a hash as it is, and GetPublicKey answers with the key's ARN.

Follows https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html (MessageType) and
API_GetPublicKey.html (KeyId, KeySpec). moto hashes what is a hash already, so that the signature
verifies nowhere else.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from moto.kms.responses import KmsResponse

from localcloud.world import World

HASHES = {
    "ECDSA_SHA_256": hashes.SHA256(),
    "ECDSA_SHA_384": hashes.SHA384(),
    "ECDSA_SHA_512": hashes.SHA512(),
}
_sign: Callable[[Any], str] = KmsResponse.sign
_get_public_key: Callable[[Any], str] = KmsResponse.get_public_key


def sign(self: Any) -> str:
    """Sign; a hash only with elliptic curves, as nothing here has another key."""
    if self._get_param("MessageType") != "DIGEST":
        return _sign(self)
    algorithm = self._get_param("SigningAlgorithm")
    backend = self.kms_backend
    key = backend.keys[backend.any_id_to_key_id(self._get_param("KeyId"))]
    if algorithm not in HASHES or algorithm not in key.signing_algorithms:
        raise NotImplementedError(f"{algorithm} of a hash, with a key {key.key_spec}")
    made = key.private_key.private_key.sign(
        self._get_param("Message"), ec.ECDSA(utils.Prehashed(HASHES[algorithm]))
    )
    answer = {"KeyId": key.arn, "Signature": base64.b64encode(made).decode()}
    return json.dumps(answer | {"SigningAlgorithm": algorithm})


def get_public_key(self: Any) -> str:
    """Answer with ARN and kind of the key beside the rest."""
    answer = json.loads(_get_public_key(self))
    key = self.kms_backend.keys[answer["KeyId"]]
    return json.dumps(answer | {"KeyId": key.arn, "KeySpec": key.key_spec})


def install() -> None:
    """Put these actions in place of moto's."""
    setattr(KmsResponse, "sign", sign)  # noqa: B010
    setattr(KmsResponse, "get_public_key", get_public_key)  # noqa: B010


def attach(world: World) -> None:
    """Nothing happens here by itself."""
