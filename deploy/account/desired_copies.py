"""The desired stack of what an environment needs to have images copied. Pure: no AWS.

It is a separate stack, as the account's template has no room for it (CloudFormation's quota of
51,200 bytes), and as most environments copy no images.
"""

from pathlib import Path

import yaml

from common.account_roles import source_role_arn
from common.environment import Environment
from deploy.account.desired_account import with_defaults
from deploy.foundation.body import leave_out_descriptions, shortened
from deploy.foundation.desired_stack import DesiredStack, stack_tags

TEMPLATE = Path(__file__).with_name("copies.yaml")


def copies_stack(environment: Environment) -> str:
    """Return the name of that stack."""
    return f"raykiln-{environment.name}-copies"


def desired_copies(environment: Environment) -> DesiredStack | None:
    """Return the stack; None where no image is copied."""
    if not (environment.copies_images or environment.account.copies_to):
        return None
    root = yaml.compose(TEMPLATE.read_text(), yaml.CSafeLoader)
    leave_out_descriptions(root)
    return DesiredStack(
        name=copies_stack(environment),
        template=shortened(root),
        parameters=parameters(environment),
        tags=stack_tags(environment),
        capability="CAPABILITY_NAMED_IAM",
    )


def parameters(environment: Environment) -> dict[str, str]:
    """Return every parameter of the template."""
    account, region = environment.source_place if environment.copies_images else ("", "")
    return {
        "Environment": environment.name,
        "BucketName": environment.bucket,
        "ImagesBucketName": environment.images_bucket,
        "CopiesTo": ",".join(environment.account.copies_to),
        "SourceRoleArn": source_role_arn(environment) if account else "",
        "SourceAccount": account,
        "SourceRegion": region,
    }


def filled_in(environment: Environment) -> str:
    """Return the template with an environment's parameters as their defaults, for the console."""
    return with_defaults(TEMPLATE.read_text(), parameters(environment))
