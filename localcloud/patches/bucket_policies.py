"""Bucket policies whose statements hold only under their condition.

Amazon S3 User Guide, "Bucket policies: condition key examples"; IAM User Guide, "Global condition
context keys" (aws:SecureTransport). moto ignores conditions, so that a statement which denies plain
HTTP denies everything. The local cloud is reached over TLS alone.
"""

import json
from functools import cache
from typing import Any

from moto.s3.models import FakeBucket

from localcloud.world import World

# What holds for every request that can reach this cloud.
CONTEXT = {"aws:securetransport": "true"}


def applicable(policy: dict[str, Any]) -> dict[str, Any]:
    """Return the policy with those statements alone whose condition is met."""
    statements = policy["Statement"]
    listed = statements if isinstance(statements, list) else [statements]
    return {**policy, "Statement": [s for s in listed if _holds(s.get("Condition", {}))]}


def _holds(condition: dict[str, dict[str, Any]]) -> bool:
    """Say whether the Bool conditions on what we know are met; others are taken as met."""
    return all(
        CONTEXT.get(key.lower(), str(value).lower()) == str(value).lower()
        for key, value in condition.get("Bool", {}).items()
    )


@cache
def install() -> None:
    """Apply the patch to moto's classes; a second call does nothing."""
    permission = FakeBucket.get_permission

    def get_permission(self: Any, action: str, resource: str) -> Any:
        whole = self.policy
        if whole is None:
            return permission(self, action, resource)
        self.policy = json.dumps(applicable(json.loads(whole))).encode()
        try:
            return permission(self, action, resource)
        finally:
            self.policy = whole

    FakeBucket.get_permission = get_permission


def attach(world: World) -> None:
    """Nothing happens here by itself."""
