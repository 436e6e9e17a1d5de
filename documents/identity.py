"""Names of things: objects in S3, documents by their content, sets of vectors. No AWS."""

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

INPUT = "input/"
FAILED = "failed/"
PROCESSED = "processed/"


@dataclass(frozen=True, order=True)
class ObjectRef:
    """An object in S3, whatever its version."""

    bucket: str
    key: str

    @property
    def id(self) -> str:
        """Its key in the control table."""
        return f"object/{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """What its owner calls it: the key below ``input/``."""
        return self.key.removeprefix(INPUT)

    @property
    def is_document(self) -> bool:
        """Whether it is one to index: below ``input/``, and no marker of a folder."""
        return self.key.startswith(INPUT) and not self.key.endswith("/")


def object_of(object_id: str) -> ObjectRef:
    """Return the object that a control record is about."""
    _, bucket, key = object_id.split("/", 2)
    return ObjectRef(bucket, key)


def document_id(sha256: str) -> str:
    """Return a document's key in the control table; the same content is the same document."""
    return f"document/{sha256}"


def new_vector_set(sha256: str) -> str:
    """Return a name that no other set of vectors has, of this document or another."""
    return f"{sha256[:16]}-{secrets.token_hex(6)}"


def vector_set_id(vector_set: str) -> str:
    """Return a set's key in the control table."""
    return f"vectors/{vector_set}"


def vector_key(vector_set: str, number: int) -> str:
    """Return the key of a chunk's vector in the index."""
    return f"{vector_set}#{number}"


def text_key(vector_set: str) -> str:
    """Return the key of the text that a set's vectors were made from."""
    return f"{PROCESSED}{vector_set}.jsonl"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
