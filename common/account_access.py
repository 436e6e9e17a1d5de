"""Who may act in an environment's account: the roles of ``invoke account.setup``. No AWS."""

from typing import Annotated

from common.table import Table, Text, like

# An owner and a repository of GitHub, as its jobs' tokens name them: with the ids of both where it
# was created, renamed or transferred on or after 15 July 2026, or has opted in.
# https://docs.github.com/en/actions/reference/security/oidc
_OWNER, _NAME = r"[A-Za-z0-9][A-Za-z0-9-]{0,38}", r"[A-Za-z0-9._-]{1,100}"
Repository = Annotated[
    Text,
    like(
        rf"({_OWNER}/{_NAME}|{_OWNER}@[0-9]+/{_NAME}@[0-9]+)?",
        "owner/name or owner@123456/name@456789",
    ),
]
ProviderArn = Annotated[
    Text,
    like(
        r"(arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/token\.actions\.githubusercontent\.com)?",
        "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
    ),
]
# A user, a role or a root; * and ? stand for letters, as in ArnLike.
Principal = Annotated[
    Text,
    like(
        r"arn:[a-z-]+:iam::[0-9]{12}:(root|(user|role)/[^\s,]+)",
        "arn:aws:iam::123456789012:role/engineers",
    ),
]
AccountId = Annotated[Text, like(r"[0-9]{12}", "123456789012")]
Action = Annotated[Text, like(r"[a-z0-9-]+:[A-Za-z0-9*]+", "s3:GetObject")]


class AccountAccess(Table):
    """Who may become the roles of the account, and what they may do besides."""

    # On GitHub, whose workflows bake and deploy; empty: none.
    repository: Repository = ""
    # GitHub's identity provider, if it is not to be looked for or created.
    oidc_provider_arn: ProviderArn = ""
    # Who may bake and deploy, and who may connect and submit; empty: whom IAM lets assume the role.
    operators: tuple[Principal, ...] = ()
    scientists: tuple[Principal, ...] = ()
    # What nodes may do by policies of yours, beyond what Raykiln's own and [nodes] give them.
    node_actions: tuple[Action, ...] = ()
    # Accounts whose environments may copy the images that this one serves: [promotion] there. For
    # another region of this account: its own id.
    copies_to: tuple[AccountId, ...] = ()
    # Packer 1.6.6 may bake: then the bake role may make images and snapshots without tags its own.
    old_packer: bool = False
    # Whoever deploys may also run the drills that hide or redirect names in Route 53, or break the
    # document pipeline's function.
    drills: bool = False
