"""An issuer of identity tokens such as GitHub's: its key, what it publishes, and its tokens."""

import base64
import json
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

GITHUB = "token.actions.githubusercontent.com"
KEY_ID = "1"
LIVES = 300  # seconds; GitHub's live for five minutes


class Issuer:
    """Signs tokens with the RSA key of a file, which is made if it is not there."""

    def __init__(self, file: Path, name: str = GITHUB) -> None:
        self.name = name
        if not file.exists():
            made = generate_private_key(65537, 2048)
            file.touch(mode=0o600)
            form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            file.write_bytes(made.private_bytes(*form))
        self._key = load_pem_private_key(file.read_bytes(), None)
        assert isinstance(self._key, RSAPrivateKey)

    def publish(self, folder: Path) -> None:
        """Write the public key to where the local cloud looks for it."""
        assert isinstance(self._key, RSAPrivateKey)
        numbers = self._key.public_key().public_numbers()
        parts = {"n": _number(numbers.n), "e": _number(numbers.e)}
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY_ID, **parts}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(json.dumps({"keys": [key]}))

    def token(self, now: float | None = None, **claims: Any) -> str:
        """Return a signed token with these claims, of this moment."""
        assert isinstance(self._key, RSAPrivateKey)
        begins = int(time.time() if now is None else now)
        times = {"iat": begins, "exp": begins + LIVES}
        head = {"typ": "JWT", "alg": "RS256", "kid": KEY_ID}
        body = {"iss": f"https://{self.name}", **times, **claims}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (head, body))
        signature = self._key.sign(signed.encode(), PKCS1v15(), SHA256())
        return f"{signed}.{_encoded(signature)}"


def _number(value: int) -> str:
    return _encoded(value.to_bytes((value.bit_length() + 7) // 8))


def _encoded(content: bytes) -> str:
    """Encode as base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
