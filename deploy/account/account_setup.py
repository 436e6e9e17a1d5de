"""Make an account ready for an environment: its stack, and service-linked roles. Touches AWS.

Whoever runs it is an administrator of the account; all that runs afterwards needs only the roles
that it creates.
"""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from common.account_roles import account_arn, role_arn
from common.clients import Clients, error_code, translated
from common.environment import Environment
from common.progress import Progress
from common.waiting import Clock
from deploy.account.desired_account import desired_account, stack_name
from deploy.account.desired_copies import copies_stack, desired_copies
from deploy.foundation.desired_stack import DesiredStack
from deploy.foundation.stack import Stack, find_stack
from deploy.foundation.stack_changes import (
    apply_stack,
    is_up_to_date,
    plan_stack,
    remove_stack,
)
from deploy.foundation.stack_plan import StackPlan
from deploy.release.config_bucket import remove_documents

SESSION = "raykiln"
GITHUB = "token.actions.githubusercontent.com"
# Service principal: the role that the service needs in the account.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html
LINKED_ROLES = {
    "autoscaling.amazonaws.com": "AWSServiceRoleForAutoScaling",
    "elasticloadbalancing.amazonaws.com": "AWSServiceRoleForElasticLoadBalancing",
}
SPOT = {"spot.amazonaws.com": "AWSServiceRoleForEC2Spot"}
STORED_STATE = {"elasticache.amazonaws.com": "AWSServiceRoleForElastiCache"}


@dataclass(frozen=True)
class AccountPlan:
    """What would make the account ready.

    ``linked_roles`` are service principals. ``copies`` is the stack for images that are copied, if
    there is to be one, and ``removes_copies`` its name if there is to be none any more.
    """

    desired: DesiredStack
    stack: StackPlan
    linked_roles: tuple[str, ...]
    copies: StackPlan | None
    removes_copies: str

    @property
    def is_empty(self) -> bool:
        """The account is ready."""
        stacks = [self.stack, *([self.copies] if self.copies else [])]
        is_done = all(stack.is_empty for stack in stacks)
        return is_done and not self.linked_roles and not self.removes_copies

    @property
    def words(self) -> tuple[str, ...]:
        """Return it in words, a line each."""
        names = LINKED_ROLES | SPOT | STORED_STATE
        roles = (f"+ service-linked role {names[service]}" for service in self.linked_roles)
        copies = _words(self.copies) if self.copies else ()
        removed = (f"- stack {self.removes_copies}",) if self.removes_copies else ()
        return (*roles, *_words(self.stack), *copies, *removed)


def _words(stack: StackPlan) -> tuple[str, ...]:
    if stack.is_empty:
        return ()
    sign = "+" if stack.is_new else "~"
    return (f"{sign} stack {stack.stack}", *(f"    {change}" for change in stack.changes))


def plan_account(clients: Clients, environment: Environment, *, clock: Clock) -> AccountPlan:
    """Return what would make the account ready; changes nothing."""
    desired, copies = _desired(clients, environment), desired_copies(environment)
    name = copies_stack(environment)
    return AccountPlan(
        desired,
        plan_stack(clients, desired, clock=clock),
        missing_linked_roles(clients, environment),
        plan_stack(clients, copies, clock=clock) if copies else None,
        name if copies is None and find_stack(clients, name) else "",
    )


def set_up_account(
    clients: Clients, environment: Environment, *, clock: Clock, progress: Progress
) -> Stack:
    """Create or change what is not as desired; return the stack. Can be run again."""
    for service in missing_linked_roles(clients, environment):
        progress.begin(f"service-linked role of {service}")
        _create_role(clients, service)
        progress.end("created")
    desired = _desired(clients, environment)
    progress.begin(f"stack {desired.name}")
    stack = apply_stack(clients, desired, clock=clock, progress=progress.say)
    progress.end(stack.status)
    _set_up_copies(clients, environment, clock=clock, progress=progress)
    return stack


def _set_up_copies(
    clients: Clients, environment: Environment, *, clock: Clock, progress: Progress
) -> None:
    """Bring the stack for images that are copied to its desired state, which may be none."""
    desired, name = desired_copies(environment), copies_stack(environment)
    if desired:
        progress.begin(f"stack {name}")
        progress.end(apply_stack(clients, desired, clock=clock, progress=progress.say).status)
    elif find_stack(clients, name):
        progress.begin(f"stack {name}")
        remove_stack(clients, name, clock=clock, progress=progress.say)
        progress.end("deleted")


def remove_account(
    clients: Clients, environment: Environment, *, clock: Clock, progress: Progress
) -> bool:
    """Delete the stacks, and all that is in its bucket, which it could not delete otherwise.

    GitHub's provider and service-linked roles stay, as others may use them.
    """
    name, copies = stack_name(environment), copies_stack(environment)
    progress.begin(f"stack {name}")
    # Its policy is attached to a role of the other.
    remove_stack(clients, copies, clock=clock, progress=progress.say)
    remove_documents(clients, environment.images_bucket)
    was_there = remove_stack(clients, name, clock=clock, progress=progress.say)
    progress.end("deleted" if was_there else "there was none")
    return was_there


def find_account_stack(clients: Clients, environment: Environment) -> Stack | None:
    """Return the stack of the environment's account, if there is one."""
    return find_stack(clients, stack_name(environment))


def assume_role(clients: Clients, environment: Environment, role: str) -> dict[str, str]:
    """Return the variables that give AWS clients, in any language, a role's credentials."""
    arn = role_arn(environment, role)
    with translated(f"assuming {arn}"):
        made = clients("sts").assume_role(RoleArn=arn, RoleSessionName=SESSION)["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
        "AWS_SESSION_TOKEN": made["SessionToken"],
    }


def needed_linked_roles(environment: Environment) -> dict[str, str]:
    """Return the service-linked roles that an environment needs, by service principal."""
    spot = any("spot" in group.markets for group in environment.workers.values())
    stored = bool(environment.head.redis_node_type)
    return LINKED_ROLES | (SPOT if spot else {}) | (STORED_STATE if stored else {})


def is_current(clients: Clients, environment: Environment, stack: Stack) -> bool:
    """Say whether the stack is what account.setup would create; changes nothing."""
    return is_up_to_date(clients, stack, _desired(clients, environment))


def missing_linked_roles(clients: Clients, environment: Environment) -> tuple[str, ...]:
    """Return the service principals whose role the account needs and has not."""
    needed = needed_linked_roles(environment)
    return tuple(service for service, name in needed.items() if not _has_role(clients, name))


def _has_role(clients: Clients, name: str) -> bool:
    with translated(f"looking for the role {name}"):
        try:
            clients("iam").get_role(RoleName=name)
        except ClientError as error:
            if error_code(error) == "NoSuchEntity":
                return False
            raise
    return True


def _create_role(clients: Clients, service: str) -> None:
    with translated(f"creating the service-linked role of {service}"):
        try:
            clients("iam").create_service_linked_role(AWSServiceName=service)
        except ClientError as error:
            # Somebody else created it meanwhile; IAM has no code of its own for that.
            if error_code(error) != "InvalidInput" or "has been taken" not in str(error):
                raise


def _desired(clients: Clients, environment: Environment) -> DesiredStack:
    if not environment.account.repository or environment.account.oidc_provider_arn:
        return desired_account(environment)
    return desired_account(environment, _others_provider(clients, environment))


def provider_arn(environment: Environment) -> str:
    """Return the ARN of GitHub's identity provider, if the account has one."""
    return account_arn(environment, f"oidc-provider/{GITHUB}")


def _others_provider(clients: Clients, environment: Environment) -> str:
    """Return GitHub's identity provider if the account has one that is not of this stack.

    An account can have only one for each URL:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    with translated("looking for GitHub's identity provider"):
        found = clients("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    arns = [str(one["Arn"]) for one in found if one["Arn"].endswith(f"/{GITHUB}")]
    stack = find_account_stack(clients, environment)
    if stack and not stack.parameters.get("OidcProviderArn") and stack.is_usable:
        arns = [arn for arn in arns if arn != stack.outputs.get("OidcProviderArn")]
    return next(iter(arns), "")
