"""The providers' keys in Secrets Manager: which are needed, and which have no value yet.

Touches AWS (Secrets Manager). No value is ever read, printed or part of a command line.
"""

import json
from collections.abc import Mapping

from common.clients import Clients, translated
from common.document_settings import Documents

# The name of a key, in its secret's JSON and in the task's environment, and the stack's output that
# has its secret.
OUTPUTS = {
    "OPENAI_API_KEY": "OpenAIApiKeySecretArn",
    "PINECONE_API_KEY": "PineconeApiKeySecretArn",
}


def needed_keys(documents: Documents) -> tuple[str, ...]:
    """Return the names of the keys that these settings need."""
    openai = "openai" in (documents.embeddings, documents.answers)
    needs = {"OPENAI_API_KEY": openai, "PINECONE_API_KEY": documents.index == "pinecone"}
    return tuple(name for name, needed in needs.items() if needed)


def missing_keys(
    clients: Clients, documents: Documents, outputs: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the needed keys that have no value; ``outputs`` is empty before there is a stack."""
    given = {
        "OPENAI_API_KEY": documents.openai_secret_arn,
        "PINECONE_API_KEY": documents.pinecone_secret_arn,
    }
    return tuple(
        name
        for name in needed_keys(documents)
        if not _has_value(clients, given[name] or outputs.get(OUTPUTS[name], ""))
    )


def store_keys(clients: Clients, outputs: Mapping[str, str], keys: Mapping[str, str]) -> None:
    """Store keys in their secrets."""
    for name, value in keys.items():
        with translated(f"storing {name}"):
            clients("secretsmanager").put_secret_value(
                SecretId=outputs[OUTPUTS[name]], SecretString=json.dumps({name: value})
            )


def _has_value(clients: Clients, arn: str) -> bool:
    """Say whether a secret has a version: one that is created without a value has none."""
    if not arn:
        return False
    with translated(f"looking at the secret {arn}"):
        found = clients("secretsmanager").describe_secret(SecretId=arn)
    return bool(found.get("VersionIdsToStages"))
