"""Decide whether policies allow an action on a resource. Pure: no AWS, no clock.

Follows "Policy evaluation logic" (docs.aws.amazon.com/IAM/latest/UserGuide/
reference_policies_evaluation-logic.html): an explicit deny wins; without an allow the answer is no;
a permissions boundary or session policy must allow as well; within one account a resource's own
policy may allow in place of the identity's.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from localcloud.patches.iam.conditions import Context, are_met, matches, substituted

Tree = dict[str, Any]


class Answer(Enum):
    """What policies decide for one request."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "because no {kind} policy allows the {action} action"
    DENIED = "with an explicit deny in {article} {kind} policy"


@dataclass(frozen=True)
class Check:
    """One action on one resource, with the condition keys of the request."""

    action: str
    resource: str
    context: Context


@lru_cache(maxsize=512)
def statements(document: str) -> tuple[Tree, ...]:
    """Return the statements of a policy document."""
    found = json.loads(document)["Statement"]
    return tuple(found if isinstance(found, list) else [found])


def listed(value: Any) -> list[Any]:
    """Return a policy's value, one or several, as a list."""
    return value if isinstance(value, list) else [value]


def decide(documents: Iterable[str], check: Check, principal: str | None = None) -> Answer:
    """Return what the documents say; with a principal they are a resource's policy."""
    answer = Answer.NOT_ALLOWED
    for document in documents:
        for statement in statements(document):
            if _applies(statement, check, principal):
                if statement["Effect"] == "Deny":
                    return Answer.DENIED
                answer = Answer.ALLOWED
    return answer


def _applies(statement: Tree, check: Check, principal: str | None) -> bool:
    return (
        _takes_action(statement, check.action)
        and _takes_resource(statement, check)
        and (principal is None or _takes_principal(statement, principal))
        and are_met(statement.get("Condition", {}), check.context)
    )


def _takes_action(statement: Tree, action: str) -> bool:
    def any_of(patterns: Any) -> bool:
        return any(matches(p.lower(), action.lower()) for p in listed(patterns))

    if "NotAction" in statement:
        return not any_of(statement["NotAction"])
    return any_of(statement["Action"])


def _takes_resource(statement: Tree, check: Check) -> bool:
    def any_of(patterns: Any) -> bool:
        return any(matches(substituted(p, check.context), check.resource) for p in listed(patterns))

    if "NotResource" in statement:
        return not any_of(statement["NotResource"])
    # A trust policy has no Resource: it stands for the role that carries it.
    return any_of(statement["Resource"]) if "Resource" in statement else True


def _takes_principal(statement: Tree, principal: str) -> bool:
    if "NotPrincipal" in statement:
        return not _is_among(statement["NotPrincipal"], principal)
    return _is_among(statement["Principal"], principal)


def _is_among(principals: Any, principal: str) -> bool:
    """Compare with ARNs, account ids, or a service's name."""
    if principals == "*":
        return True
    account = principal.split(":")[4] if principal.startswith("arn:") else ""
    same = {principal, account, f"arn:aws:iam::{account}:root", "*"} - {"", "arn:aws:iam:::root"}
    if ":assumed-role/" in principal:
        role = principal.split(":assumed-role/")[1].rpartition("/")[0]
        same.add(f"arn:aws:iam::{account}:role/{role}")
    return any(one in same for kind in principals.values() for one in listed(kind))
