"""Whether whoever deploys may create the roles that a deploy creates. Reads AWS only."""

from common.account_roles import PATH, is_session_of, role_arn
from common.clients import Clients, translated
from common.environment import Environment
from deploy.plan.finding import Finding


def account_findings(clients: Clients, environment: Environment) -> tuple[Finding, ...]:
    """Return what the account's roles refuse: the deploy role creates roles with a boundary alone.

    Anyone else's permissions are the account's own affair.
    """
    if environment.nodes.permissions_boundary:
        return ()
    with translated("reading the caller's identity"):
        arn = str(clients("sts").get_caller_identity()["Arn"])
    if not is_session_of(arn, environment, "deploy"):
        return ()
    name = role_arn(environment, "deploy").rpartition("/")[2]
    return (
        Finding(
            f"nodes.permissions_boundary is missing: {name} creates no role without it",
            hint=f"set it to …:policy{PATH}raykiln-{environment.name}-boundary; "
            f"invoke account.setup --env {environment.name} prints it",
            fatal=True,
        ),
    )
