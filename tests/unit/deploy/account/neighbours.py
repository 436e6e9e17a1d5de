"""What a role is allowed, and what lies right beside it: the neighbours that must be denied."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from localcloud.patches.iam.policies import Check

HERE = "us-east-1:123456789012"
EC2 = f"arn:aws:ec2:{HERE}"
ROLE = "arn:aws:iam::123456789012:role"
POLICY = "arn:aws:iam::123456789012:policy"
BOUNDARY = f"{POLICY}/raykiln/account/raykiln-dev-boundary"
OTHER = "prod"  # the other environment of the account

Keys = dict[str, str | tuple[str, ...]]
OURS: Keys = {"aws:ResourceTag/raykiln:environment": "dev"}
THEIRS: Keys = {"aws:ResourceTag/raykiln:environment": OTHER}
VIA: Keys = {"aws:CalledVia": "cloudformation.amazonaws.com"}


@dataclass(frozen=True)
class Try:
    """One action on one resource, with the keys of the request."""

    action: str
    resource: str
    keys: Keys = field(default_factory=dict)

    @property
    def check(self) -> Check:
        """Return it as IAM decides it."""
        context = {
            key.lower(): value if isinstance(value, tuple) else (value,)
            for key, value in self.keys.items()
        }
        return Check(self.action, self.resource, context)


def of_another_environment(check: Check) -> Check:
    """Return the same request for another environment's resource."""

    def renamed(text: str) -> str:
        return text.replace("dev", OTHER)

    # The caller's own keys, and how the request came, stay.
    kept = ("aws:calledvia", "aws:viaaws", "aws:principal", "aws:userid", "ec2:createaction")
    context = {
        key: values if key.startswith(kept) else tuple(renamed(value) for value in values)
        for key, values in check.context.items()
    }
    return replace(check, resource=renamed(check.resource), context=context)


def past_cloudformation(check: Check) -> Check:
    """Return the same request, sent by the role itself."""
    context = {
        key: values for key, values in check.context.items() if not key.startswith("aws:calledvia")
    }
    return replace(check, context=context)


def without_tags(check: Check) -> Check:
    """Return the same request on something that has no tags, and that gives none."""
    tagged = ("aws:resourcetag/", "ec2:resourcetag/", "aws:requesttag/", "aws:tagkeys")
    context = {key: values for key, values in check.context.items() if not key.startswith(tagged)}
    return replace(check, context=context)


def actions_of(part: Any) -> Iterator[str]:
    """Yield the actions of every statement that allows some to whoever has the policy."""
    if isinstance(part, list):
        for one in part:
            yield from actions_of(one)
    if isinstance(part, dict):
        if part.get("Effect") == "Allow" and "Principal" not in part:
            named = part["Action"]
            yield from [named] if isinstance(named, str) else named
        for one in part.values():
            yield from actions_of(one)
