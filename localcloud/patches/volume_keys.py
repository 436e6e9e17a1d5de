"""An instance whose volume has a customer key starts only if its launcher may use the key.

EC2 accepts the launch, and terminates the instance at once:
https://repost.aws/knowledge-center/kms-iam-ec2-permission (Client.InternalError). What the launcher
must be allowed: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html.
Spot instances are launched by EC2's service-linked role as well (https://docs.aws.amazon.com/
AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html), and those of an Auto
Scaling group by its own; the key's own policy or a grant must name them: https://docs.aws.amazon.com/autoscaling/ec2/userguide/
key-policy-requirements-EBS-encryption.html. moto ignores the keys of volumes, and does not tell the
account's default key.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.responses.elastic_block_store import ElasticBlockStore
from moto.ec2.responses.instances import InstanceResponse
from moto.kms.models import kms_backends

from localcloud.account import ACCOUNT, REGION
from localcloud.patches.ec2 import terminate_for
from localcloud.patches.iam import caller_may
from localcloud.patches.iam.policies import Answer, Check, decide, listed, statements
from localcloud.patches.internal import is_internal
from localcloud.patches.spot import ROLE_ARN
from localcloud.world import World

AUTO_SCALING = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/autoscaling.amazonaws.com/"
    "AWSServiceRoleForAutoScaling"
)
USES = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
AWS_KEY = "alias/aws/ebs"
CREATE_GRANT = "kms:CreateGrant"
BY_EC2 = {"kms:ViaService": f"ec2.{REGION}.amazonaws.com"}
FOR_A_VOLUME = BY_EC2 | {"kms:GrantIsForAWSResource": "true"}


def _run_instances(run: Any, self: Any) -> Any:
    reasons = [reason for key in _keys(self) if (reason := _obstacle(self, key))]
    answer = run(self)
    for instance in answer.result.instances if reasons else ():
        terminate_for(instance, *reasons[0])
    return answer


def _keys(response: Any) -> Iterator[str]:
    """Yield the customer keys of a launch's volumes; without one of its own, an encrypted volume
    has the account's default key: https://docs.aws.amazon.com/ebs/latest/userguide/work-with-ebs-encr.html.
    """
    default = _default_key(response)
    for mapping in response._get_param("BlockDeviceMappings", []):
        volume = mapping.get("Ebs") or {}
        encrypted = str(volume.get("Encrypted", "")).lower() == "true"
        if key := volume.get("KmsKeyId") or (default if encrypted else ""):
            yield str(key)


def _default_key(response: Any) -> str:
    """Return the customer key that is the account's default key for EBS; empty for AWS's own.

    moto creates AWS's own with the first encrypted volume, and gives it this alias.
    """
    arn = str(getattr(response.ec2_backend, "default_kms_key_id", ""))
    key = kms_backends[ACCOUNT][REGION].keys.get(arn.rpartition("/")[2])
    return "" if key is None or AWS_KEY in key.aliases else arn


def _get_default_key(self: Any) -> ActionResult:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetEbsDefaultKmsKeyId.html"""
    return ActionResult({"KmsKeyId": _default_key(self) or AWS_KEY})


def _obstacle(response: Any, arn: str) -> tuple[str, str] | None:
    """Return code and message of what keeps a volume from its key; None when nothing does."""
    key = kms_backends[ACCOUNT][REGION].keys.get(arn.rpartition("/")[2])
    if key is None or key.key_state != "Enabled":
        words = "The KMS key provided is in an incorrect state"
        return "Client.InvalidKMSKey.InvalidState", words
    is_spot = response._get_param("InstanceMarketOptions.MarketType") == "spot"
    may = _role_may(key, AUTO_SCALING) if is_internal() else _caller_may(response, key.arn)
    may = may and (not is_spot or _role_may(key, ROLE_ARN))
    return None if may else ("Client.InternalError", "Client error on launch")


def _caller_may(response: Any, arn: str) -> bool:
    uses = all(caller_may(response, action, arn, BY_EC2) for action in USES)
    return uses and caller_may(response, CREATE_GRANT, arn, FOR_A_VOLUME)


def _role_may(key: Any, role: str) -> bool:
    """Say whether a grant, or the key's policy by name, is for a service-linked role.

    The statement for the account as a whole only lets IAM's policies count, and the role has none.
    """
    if any(grant.grantee_principal == role for grant in key.grants.values()):
        return True
    mine = [
        statement
        for statement in statements(key.policy)
        if role in listed((statement.get("Principal") or {}).get("AWS", []))
    ]
    context = {name.lower(): (value,) for name, value in FOR_A_VOLUME.items()}
    check = Check(CREATE_GRANT, key.arn, context)
    return decide([json.dumps({"Statement": mine})], check, role) is Answer.ALLOWED


@cache
def install() -> None:
    run = InstanceResponse.run_instances
    InstanceResponse.run_instances = lambda self: _run_instances(run, self)
    ElasticBlockStore.get_ebs_default_kms_key_id = _get_default_key


def attach(world: World) -> None:
    """Nothing happens here by itself."""
