"""Find what would make a deploy of the documents fail later, before anything changes. Reads AWS."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from common.clients import Clients, error_code, translated
from common.environment import Environment
from deploy.documents.cluster_preflight import cluster_findings
from deploy.documents.network_preflight import network_findings
from deploy.documents.quota_preflight import quota_findings
from deploy.foundation.stack import Foundation, Stack
from deploy.plan.finding import Finding, refuse_fatal
from deploy.plan.look_up import DENIED, look_up

BUCKET = "S3BucketName"
ABSENT = ("404", "NoSuchBucket", "NotFound")
# The provider's secret, and the key that its JSON must have.
KEYS = {
    "openai_secret_arn": "OPENAI_API_KEY",
    "pinecone_secret_arn": "PINECONE_API_KEY",
}


def preflight(
    clients: Clients,
    environment: Environment,
    stack: Stack | None,
    cluster: Foundation | None = None,
    others: tuple[Finding, ...] = (),
) -> tuple[Finding, ...]:
    """Return the findings, with ``others``; raises Refused with all that would make it fail.

    ``stack`` is that of the pipeline, if there is one; ``cluster`` the foundation whose network it
    uses, or that it runs on.
    """
    findings = (
        *_bucket(clients, environment, stack),
        *_secrets(clients, environment),
        *_place(clients, environment, stack, cluster),
        *others,
    )
    refuse_fatal(f"the documents of {environment.name}", findings)
    return findings


def _place(
    clients: Clients, environment: Environment, stack: Stack | None, cluster: Foundation | None
) -> tuple[Finding, ...]:
    if environment.documents.on_cluster:
        return cluster_findings(clients, environment, cluster)
    quotas = quota_findings(clients, environment) if stack is None else ()
    return (*network_findings(clients, environment, cluster), *quotas)


def _bucket(clients: Clients, environment: Environment, stack: Stack | None) -> Iterator[Finding]:
    """Find whether the bucket to create exists: its name is unique in the world.

    docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html: 404 where there is none, 403 where
    it is another account's, 301 where it is in another region.
    """
    name = environment.documents_bucket
    if stack is not None and stack.parameters.get(BUCKET) == name:
        return
    hint = "choose another name under documents.bucket"
    with translated(f"looking for the bucket {name}"):
        try:
            clients("s3").head_bucket(Bucket=name)
        except ClientError as error:
            if error_code(error) in ABSENT:
                return
            if error_code(error) not in {*DENIED, "301", "PermanentRedirect"}:
                raise
            words = f"documents.bucket: {name} belongs to someone else, or is in another region"
            yield Finding(words, hint, fatal=True)
            return
    words = f"documents.bucket: {name} exists already, and this stack would not take it over"
    yield Finding(words, f"{hint}, or delete it if no one needs it", fatal=True)


def _secrets(clients: Clients, environment: Environment) -> Iterator[Finding]:
    for setting, key in KEYS.items():
        if arn := getattr(environment.documents, setting):
            yield from _secret(clients, arn, f"documents.{setting}", key)


def _secret(clients: Clients, arn: str, place: str, key: str) -> Iterator[Finding]:
    """Find whether a task could be given this secret; its value is looked at and never shown."""
    hint = f'store {{"{key}": "…"}} in it'
    found = look_up(
        f"the secret {arn}",
        partial(clients("secretsmanager").get_secret_value, SecretId=arn),
        ("ResourceNotFoundException",),
        missing=Finding(f"{place}: there is no {arn} with a value", hint, fatal=True),
        denied=Finding(
            f"{place}: these credentials may not read {arn}",
            f"see that it holds {key}; tasks read it with a role of their own",
        ),
    )
    if isinstance(found, Finding):
        yield found
    elif found["ARN"] != arn:
        # What follows an ARN in a task definition is cut off at its colons.
        words = f"{place}: {arn} is not the whole ARN of the secret"
        yield Finding(words, f"it is {found['ARN']}", fatal=True)
    elif not _has(found, key):
        yield Finding(f"{place}: {arn} is no JSON object with {key}", hint, fatal=True)


def _has(found: dict[str, Any], key: str) -> bool:
    try:
        value = json.loads(found.get("SecretString", ""))[key]
    except (ValueError, KeyError, TypeError):
        return False
    return isinstance(value, str) and bool(value)
