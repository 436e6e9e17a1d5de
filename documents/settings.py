"""What the application is told: one YAML file, environment variables over it, all mistakes at once.

``DOCUMENTS_SETTINGS`` names the file; it may be missing. A setting ``chunk_tokens`` is overridden
by ``DOCUMENTS_CHUNK_TOKENS``. Secrets come from the environment alone, where ECS puts what a task
definition refers to (docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-
manager.html): ``OPENAI_API_KEY``, ``PINECONE_API_KEY`` and ``DOCUMENTS_TOKEN``.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from common.errors import Refused
from documents.stored_settings import PARAMETER, completed

PREFIX = "DOCUMENTS_"
FILE = "DOCUMENTS_SETTINGS"
SECRETS = {
    "OPENAI_API_KEY": "openai_api_key",
    "PINECONE_API_KEY": "pinecone_api_key",
    "DOCUMENTS_TOKEN": "token",
}
Name = Field(min_length=1)


class Settings(BaseModel):
    """Every setting of the application; sizes are in bytes, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str = Name
    bucket: str = Name
    queue_url: str = Name
    control_table: str = Name
    audit_table: str = Name
    metrics_table: str = Name

    embeddings: Literal["local", "openai"] = "local"
    index: Literal["s3vectors", "pinecone"] = "s3vectors"
    answers: Literal["extractive", "openai"] = "extractive"
    model_folder: Path = Path("/opt/documents/model")
    vector_bucket: str = ""
    vector_index: str = "documents"
    openai_base_url: str = "https://api.openai.com/v1"
    openai_embedding_model: str = "text-embedding-3-small"
    openai_dimension: int = Field(default=1536, ge=1, le=4096)
    openai_answer_model: str = "gpt-4o-mini"
    openai_timeout: float = Field(default=30.0, gt=0)
    pinecone_host: str = ""
    pinecone_namespace: str = "documents"
    openai_api_key: SecretStr = SecretStr("")
    pinecone_api_key: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")

    # Where it shares a cluster: the value of the label ray.io/node-group of the nodes that it uses.
    group: str = ""
    # There: how many of these nodes there may be; the group grows and shrinks between the two by
    # what waits for each, seen for so many seconds. Without a most it is left as it is.
    workers_min: int = Field(default=1, ge=1)
    workers_max: int | None = Field(default=None, ge=1)
    backlog_per_worker: int = Field(default=10, ge=1)
    grow_seconds: float = Field(default=60.0, ge=0)
    shrink_seconds: float = Field(default=900.0, ge=0)
    # One consumer for each CPU of these nodes, unless a number is set.
    consumers: int | None = Field(default=None, ge=1)
    consumer_memory: int = Field(default=1536 * 2**20, ge=0)
    port: int = Field(default=8000, ge=1, le=65535)

    tokens_per_day: int | None = Field(default=None, ge=1)
    # Dollars for a million tokens of the models above, sent and written
    # (developers.openai.com/api/docs/pricing, 2026-11).
    openai_embedding_dollars: float = Field(default=0.02, ge=0)
    openai_question_dollars: float = Field(default=0.15, ge=0)
    openai_answer_dollars: float = Field(default=0.60, ge=0)
    chunk_tokens: int = Field(default=160, ge=20, le=250)
    chunk_overlap: int = Field(default=30, ge=0)
    batch_chunks: int = Field(default=32, ge=1, le=500)
    attempts: int = Field(default=3, ge=1)
    claim_seconds: float = Field(default=120.0, ge=3)
    sweep_seconds: float = Field(default=300.0, ge=1)
    audit_days: int = Field(default=400, ge=1)

    max_bytes: int = Field(default=200 * 2**20, ge=1)
    max_pages: int = Field(default=10_000, ge=1)
    max_characters: int = Field(default=50_000_000, ge=1)
    parse_seconds: int = Field(default=120, ge=1)
    parse_memory: int = Field(default=1024 * 2**20, ge=64 * 2**20)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        wrong = []
        if self.chunk_overlap >= self.chunk_tokens:
            wrong.append("chunk_overlap must be less than chunk_tokens")
        if self.workers_max is not None and self.workers_min > self.workers_max:
            wrong.append("workers_min must be at most workers_max")
        if self.index == "s3vectors" and not self.vector_bucket:
            wrong.append("vector_bucket is needed where index is s3vectors")
        if self.index == "pinecone" and not (self.pinecone_host and self.pinecone_api_key):
            wrong.append("pinecone_host and PINECONE_API_KEY are needed where index is pinecone")
        if "openai" in (self.embeddings, self.answers) and not self.openai_api_key:
            wrong.append("OPENAI_API_KEY is needed where embeddings or answers are openai")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings; raises Refused with every mistake, each with its key.

    Raises Unavailable where they are stored (stored_settings.py), and cannot be read now.
    """
    environ = completed(environ)
    values = {**_from_file(environ.get(FILE, "")), **_from_environment(environ)}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        mistakes = [
            f"{'.'.join(map(str, one['loc'])) or 'settings'}: {one['msg']}"
            for one in error.errors(include_input=False, include_url=False)
        ]
        raise Refused(
            "the settings of the documents application are not valid:\n  " + "\n  ".join(mistakes),
            hint=f"correct the file that {FILE} names, or the variables {PREFIX}…",
        ) from None


def _from_file(name: str) -> dict[str, object]:
    if not name:
        return {}
    try:
        found = yaml.safe_load(Path(name).read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise Refused(f"{name}: {error}", hint=f"{FILE} must name a YAML file") from error
    if not isinstance(found, dict):
        raise Refused(f"{name} holds no settings", hint="write one `name: value` a line")
    secrets = sorted(found.keys() & set(SECRETS.values()))
    if secrets:
        raise Refused(
            f"{name} holds {', '.join(secrets)}", hint="give secrets as environment variables"
        )
    return found


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    plain = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name not in (FILE, PARAMETER, *SECRETS) and value
    }
    return {**plain, **{SECRETS[name]: environ[name] for name in SECRETS if environ.get(name)}}
