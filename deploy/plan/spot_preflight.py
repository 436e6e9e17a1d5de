"""Find what keeps an account from launching spot instances. Reads AWS (IAM).

EC2 launches spot instances with the role AWSServiceRoleForEC2Spot. An account that makes its first
spot request by the API has none yet, and the head's role may not create it: EC2 would refuse each
launch (AuthFailure.ServiceLinkedRoleCreationNotPermitted).
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/service-linked-roles-spot-instance-requests.html
"""

from common.clients import Clients
from deploy.plan.finding import Finding
from deploy.plan.look_up import look_up
from deploy.release.release import Release
from node.contract import SPOT

ROLE = "AWSServiceRoleForEC2Spot"
CREATE = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"


def spot_findings(clients: Clients, release: Release) -> tuple[Finding, ...]:
    """Return what is missing for the groups that launch spot instances."""
    groups = [group.name for group in release.settings.groups if SPOT in group.markets]
    if not groups:
        return ()
    uses = f"the group{'s' if len(groups) > 1 else ''} {', '.join(groups)} on spot"
    found = look_up(
        f"the role {ROLE}",
        lambda: clients("iam").get_role(RoleName=ROLE),
        ("NoSuchEntity",),
        missing=Finding(
            f"the account has no role {ROLE}: EC2 would refuse {uses}",
            f"once for the account: {CREATE}",
            fatal=True,
        ),
        denied=Finding(
            f"these credentials may not look for {ROLE}, which EC2 needs for {uses}",
            "allow iam:GetRole, or see that the role exists",
        ),
    )
    return (found,) if isinstance(found, Finding) else ()
