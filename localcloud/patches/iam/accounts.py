"""What one account lets another do with its resources. Reads moto's state.

An account allows its own users and roles what they may do with another's, and that account must
allow it as well, by a policy of the resource; for a key, also by a grant:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html
"""

from typing import Any

from moto.kms.models import kms_backends
from moto.s3.models import s3_backends

from localcloud.patches.iam.policies import Answer, Check, decide
from localcloud.patches.iam.principals import Principal

S3 = "arn:aws:s3:::"


def owner_of(resource: str) -> str:
    """Return the account that owns a resource, by its ARN; empty when it does not say.

    A bucket's ARN names none. Images and snapshots are shared by EC2 itself.
    """
    if resource.startswith(S3):
        name = resource.removeprefix(S3).partition("/")[0]
        return next((a for a, found in s3_backends.items() if name in found["aws"].buckets), "")
    parts = resource.split(":")
    return parts[4] if len(parts) > 4 and parts[4].isdigit() else ""


def lends(check: Check, who: Principal) -> bool:
    """Say whether the account of a key lets principals of another account use it."""
    key = _key(check.resource)
    if key is None:
        return False
    if key.policy and decide([key.policy], check, who.arn) is Answer.ALLOWED:
        return True
    action = check.action.removeprefix("kms:")
    role = dict(who.context)["aws:principalarn"]
    return any(
        grant.grantee_principal == role and action in grant.operations
        for grant in key.grants.values()
    )


def _key(arn: str) -> Any:
    parts = arn.split(":")
    if parts[2:3] != ["kms"]:
        return None
    return kms_backends[parts[4]][parts[3]].keys.get(arn.rpartition("/")[2])
