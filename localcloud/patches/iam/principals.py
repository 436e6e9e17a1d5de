"""Find who signed a request: a user by its access key, or a role's session. Reads moto's state.

Follows "IAM JSON policy elements: global condition context keys" (docs.aws.amazon.com/IAM/latest/
UserGuide/reference_policies_condition-keys.html) for the keys that come from the caller.
"""

from dataclasses import dataclass
from typing import Any

from botocore.credentials import Credentials
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends


@dataclass(frozen=True)
class Principal:
    """The caller, with its credentials and the policies that apply to it."""

    arn: str
    credentials: Credentials
    documents: tuple[str, ...]
    boundary: str | None
    session_policy: str | None
    context: tuple[tuple[str, str], ...]

    @property
    def account(self) -> str:
        """The account of the user, or of the role."""
        return self.arn.split(":")[4]


def find_principal(account: str, key_id: str, token: str | None) -> Principal | None:
    """Return the owner of the key, or None if it is unknown."""
    return _session(account, key_id, token) if token else _user(account, key_id)


def _user(account: str, key_id: str) -> Principal | None:
    backend = iam_backends[account]["aws"]
    for user in backend.users.values():
        for key in user.access_keys:
            if key.access_key_id == key_id and key.status == "Active":
                arn, name = user.arn, user.name
                documents = tuple(_user_documents(backend, user))
                known = {"aws:principaltype": "User", "aws:username": name, "aws:userid": user.id}
                known |= _tags(tag_pairs(user.tags))
                secret = Credentials(key_id, key.secret_access_key)
                boundary = boundary_of(account, user)
                return Principal(arn, secret, documents, boundary, None, _known(arn, known))
    return None


def _session(account: str, key_id: str, token: str) -> Principal | None:
    for session in reversed(sts_backends[account]["aws"].assumed_roles):
        if session.access_key_id == key_id and session.session_token == token:
            return _role_session(account, session)
    return None


def _role_session(account: str, session: Any) -> Principal | None:
    backend = iam_backends[account]["aws"]
    role = next((r for r in backend.roles.values() if r.arn == session.role_arn), None)
    if role is None:
        return None
    arn = f"arn:aws:sts::{account}:assumed-role/{role.name}/{session.session_name}"
    secret = Credentials(session.access_key_id, session.secret_access_key, session.session_token)
    known = {
        "aws:principaltype": "AssumedRole",
        "aws:userid": f"{role.id}:{session.session_name}",
        "aws:principalarn": role.arn,
        **_tags(tag_pairs(role.tags)),
    }
    if session.session_name.startswith("i-"):
        instance = f"arn:aws:ec2:us-east-1:{account}:instance/{session.session_name}"
        known["ec2:sourceinstancearn"] = instance
    return Principal(
        arn,
        secret,
        tuple(documents_of(role)),
        boundary_of(account, role),
        session.policy or None,
        _known(arn, known),
    )


def _known(arn: str, more: dict[str, str]) -> tuple[tuple[str, str], ...]:
    account = arn.split(":")[4]
    known = {"aws:principalarn": arn, "aws:principalaccount": account, **more}
    return tuple(sorted(known.items()))


def tag_pairs(tags: Any) -> dict[str, str]:
    """Return moto's tags as pairs: it keeps them as a dictionary of pairs or as a list."""
    found = tags.values() if isinstance(tags, dict) else tags or []
    return {tag["Key"]: tag["Value"] for tag in found if isinstance(tag, dict)}


def _tags(pairs: dict[str, str]) -> dict[str, str]:
    return {f"aws:principaltag/{key}".lower(): value for key, value in pairs.items()}


def document_of(policy: Any) -> str:
    """Return the document of a managed policy's default version."""
    default = next(v for v in policy.versions if v.is_default)
    return str(default.document)


def _user_documents(backend: Any, user: Any) -> list[str]:
    found = [str(document) for document in user.policies.values()]
    found += [document_of(policy) for policy in user.managed_policies.values()]
    for group in backend.get_groups_for_user(user.name):
        found += [str(document) for document in group.policies.values()]
        found += [document_of(policy) for policy in group.managed_policies.values()]
    return found


def documents_of(role: Any) -> list[str]:
    """Return the documents of a role's policies, inline and managed."""
    found = [str(document) for document in role.policies.values()]
    return found + [document_of(policy) for policy in role.managed_policies.values()]


def boundary_of(account: str, holder: Any) -> str | None:
    """Return the document of the permissions boundary of a user or a role, where it has one."""
    arn = getattr(holder, "permissions_boundary_arn", None) or getattr(
        holder, "permissions_boundary", None
    )
    policies = iam_backends[account]["aws"].managed_policies
    return document_of(policies[arn]) if isinstance(arn, str) and arn else None
