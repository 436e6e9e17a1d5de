"""Grants of keys, keys of other accounts, and which keys are AWS's own.

- CreateGrant with a name: "all CreateGrant requests with identical parameters … return the same
  GrantId" (https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html).
- ListGrants lists those of the grantee that it is asked for (API_ListGrants.html).
- DescribeKey takes the ARN of a key of another account, and says who manages a key
  (API_DescribeKey.html): AWS, where its alias begins with ``alias/aws/``.

moto makes a new grant each time, lists all, finds keys of one account, and calls all of them the
customer's.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from moto.kms.models import KmsBackend, kms_backends
from moto.kms.responses import KmsResponse

from localcloud.world import World

AWS_ALIASES = "alias/aws/"


def is_aws_managed(arn: str) -> bool:
    """Say whether a key, by its ARN, is one that AWS made for a service."""
    _, _, _, region, account, name = arn.split(":")
    key = kms_backends[account][region].keys.get(name.partition("/")[2])
    return key is not None and any(alias.startswith(AWS_ALIASES) for alias in key.aliases)


def _create_grant(create: Any, self: Any, key_id: str, *rest: Any, **more: Any) -> Any:
    grantee, operations, name, *_ = rest
    asked = (name, grantee, operations)
    for grant in self.describe_key(key_id).grants.values():
        if name and (grant.name, grant.grantee_principal, grant.operations) == asked:
            return grant.id, grant.token
    return create(self, key_id, *rest, **more)


def _list_grants(answer: Callable[[Any], str], self: Any) -> str:
    found, grantee = json.loads(answer(self)), self._get_param("GranteePrincipal")
    found["Grants"] = [
        grant for grant in found["Grants"] if grantee in (None, grant["GranteePrincipal"])
    ]
    return json.dumps(found)


def _describe_key(describe: Callable[[Any], str], self: Any) -> str:
    given = str(self._get_param("KeyId"))
    parts = given.split(":")
    if len(parts) == 6 and parts[4] != self.current_account:
        key = kms_backends[parts[4]][parts[3]].describe_key(given)
        return json.dumps(key.to_dict())
    found = json.loads(describe(self))
    if is_aws_managed(found["KeyMetadata"]["Arn"]):
        found["KeyMetadata"]["KeyManager"] = "AWS"
    return json.dumps(found)


@cache
def install() -> None:
    """Put these in place of moto's."""
    create, answer, describe = (
        KmsBackend.create_grant,
        KmsResponse.list_grants,
        KmsResponse.describe_key,
    )
    KmsBackend.create_grant = lambda self, key_id, *rest, **more: _create_grant(
        create, self, key_id, *rest, **more
    )
    KmsResponse.list_grants = lambda self: _list_grants(answer, self)
    KmsResponse.describe_key = lambda self: _describe_key(describe, self)


def attach(world: World) -> None:
    """Nothing happens here by itself."""
