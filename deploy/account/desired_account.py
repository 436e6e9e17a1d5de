"""The desired stack of an environment's account: template, parameters, tags. Pure: no AWS."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from common.account_roles import PATH, account_arn
from common.environment import Environment
from deploy.foundation.body import leave_out_descriptions, leave_out_sids, shortened
from deploy.foundation.desired_stack import DesiredStack, secret_arns, stack_tags

TEMPLATE = Path(__file__).with_name("template.yaml")


def stack_name(environment: Environment) -> str:
    """Return the name of the stack of an environment's account."""
    return f"raykiln-{environment.name}-account"


def boundary_arn(environment: Environment) -> str:
    """Return the ARN of the boundary that the stack creates unless it is given another one."""
    return account_arn(environment, f"policy{PATH}raykiln-{environment.name}-boundary")


def desired_account(environment: Environment, provider_arn: str = "") -> DesiredStack:
    """Return the stack; ``provider_arn`` is GitHub's identity provider if it exists without it."""
    root = yaml.compose(TEMPLATE.read_text(), yaml.CSafeLoader)
    leave_out_descriptions(root)
    leave_out_sids(root)
    return DesiredStack(
        name=stack_name(environment),
        template=shortened(root),
        parameters=parameters(environment, provider_arn),
        tags=stack_tags(environment),
        capability="CAPABILITY_NAMED_IAM",
    )


def parameters(environment: Environment, provider_arn: str = "") -> dict[str, str]:
    """Return every parameter of the template."""
    account, boundary = environment.account, environment.nodes.permissions_boundary
    images = (environment.image, *environment.images.values())
    # An image that is named by its id may be anyone's.
    owners = dict.fromkeys(image.base_owner or "*" for image in images)
    source = environment.promotion.source if environment.promotion else ""
    # From elsewhere: the stack of copies.
    source = "" if environment.copies_images else source
    return {
        "Environment": environment.name,
        "StackName": environment.stack,
        "BucketName": environment.bucket,
        "ImagesBucketName": environment.images_bucket,
        "LeaseTableName": environment.lease_table,
        "LoadBalancerName": environment.load_balancer,
        "TopicName": environment.topic,
        "SecretName": environment.secret,
        "SecretArns": secret_arns(environment),
        "HeadGroupName": environment.head_group,
        "HeadName": environment.head_dns.lower(),
        "DocumentsName": environment.documents_stack,
        "DocumentsBucketName": environment.documents_bucket,
        "DocumentsSecretArns": ",".join(environment.documents.secret_arns),
        "BaseImageOwners": ",".join(owners),
        "GitHubRepository": account.repository,
        "OidcProviderArn": account.oidc_provider_arn or provider_arn,
        "Operators": ",".join(account.operators),
        "Scientists": ",".join(account.scientists),
        "BoundaryArn": "" if boundary == boundary_arn(environment) else boundary,
        "NodeActions": ",".join(account.node_actions),
        "PromotionSource": source,
        "PromotionBucketName": environment.bucket_of(source) if source else "",
        "PromotionImagesBucketName": environment.images_bucket_of(source) if source else "",
        "OldPacker": "true" if account.old_packer else "false",
        "Drills": "true" if account.drills else "false",
    }


def filled_in(environment: Environment, provider_arn: str = "") -> str:
    """Return the template with an environment's parameters as their defaults, for the console."""
    return with_defaults(TEMPLATE.read_text(), parameters(environment, provider_arn))


def with_defaults(template: str, values: Mapping[str, str]) -> str:
    """Return a template with these defaults of its parameters."""
    lines = []
    for line in template.splitlines():
        name = line.strip().partition(":")[0]
        if line.startswith(f"  {name}: {{Type: ") and name in values:
            line = _with_default(line, values[name])
        lines.append(line)
    return "\n".join(lines) + "\n"


def _with_default(line: str, value: str) -> str:
    bare = re.sub(r'Default: "[a-z]*", ', "", line)
    return (
        bare.replace(", ", f', Default: "{value}", ', 1)
        if ", " in bare
        else (bare.replace("}", f', Default: "{value}"}}'))
    )
