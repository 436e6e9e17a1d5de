"""The names of the roles that the stacks of an environment's account create. Pure: no AWS."""

from common.aws_rules import partition_of
from common.environment import Environment

# The path of all that they create; no policy of the deploy role reaches below it.
PATH = "/raykiln/account/"


def role_arn(environment: Environment, kind: str) -> str:
    """Return the ARN that a role has, or will have: bake, deploy, scientist or share."""
    return account_arn(environment, f"role{PATH}raykiln-{environment.name}-{kind}")


def is_session_of(arn: str, environment: Environment, kind: str) -> bool:
    """Say whether a caller's ARN is that of such a role's session, which names it without its path.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
    """
    return f":assumed-role/{role_arn(environment, kind).rpartition('/')[2]}/" in arn


def source_role_arn(environment: Environment) -> str:
    """Return the ARN of the role that shares the images that an environment copies."""
    account, region = environment.source_place
    name = environment.promotion.source if environment.promotion else environment.name
    return f"arn:{partition_of(region)}:iam::{account}:role{PATH}raykiln-{name}-share"


def account_arn(environment: Environment, rest: str) -> str:
    """Return the ARN of something that IAM has in an environment's account."""
    return f"arn:{partition_of(environment.region)}:iam::{environment.account_id}:{rest}"
