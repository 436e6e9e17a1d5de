"""IAM's decisions by themselves: condition operators, statements, variables. No AWS."""

import json
from typing import Any

import pytest

from localcloud.patches.iam.conditions import UnknownOperator, are_met, matches
from localcloud.patches.iam.policies import Answer, Check, decide

ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
HERE = "us-east-1:123456789012"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.mark.parametrize(
    ("operator", "wanted", "have", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "a", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringEqualsIgnoreCase", "a", "A", True),
        ("StringLike", "ray-*", "ray-head", True),
        ("StringLike", "ray-?", "ray-head", False),
        ("StringNotLike", "ray-*", "ray-head", False),
        ("Bool", "true", "true", True),
        ("Bool", True, "true", True),
        ("Bool", "true", None, False),
        ("Null", "true", None, True),
        ("Null", "false", None, False),
        ("Null", "false", "x", True),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", "10", "9", False),
        ("IpAddress", "10.77.0.0/16", "10.77.3.4", True),
        ("NotIpAddress", "10.77.0.0/16", "10.78.3.4", True),
        (
            "ArnLike",
            "arn:aws:ec2:*:*:launch-template/*",
            f"arn:aws:ec2:{HERE}:launch-template/lt-1",
            True,
        ),
        ("ArnLike", "arn:aws:*", f"arn:aws:ec2:{HERE}:instance/i-1", False),
        ("ArnNotEquals", "arn:aws:sns:*:*:a", f"arn:aws:sns:{HERE}:a", False),
        ("DateGreaterThan", "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", True),
        ("ForAllValues:StringEquals", ["a", "b"], ("a", "b"), True),
        ("ForAllValues:StringEquals", ["a"], ("a", "b"), False),
        ("ForAllValues:StringEquals", ["a"], None, True),
        ("ForAnyValue:StringEquals", ["a"], ("a", "b"), True),
        ("ForAnyValue:StringEquals", ["a"], None, False),
        ("ForAllValues:StringNotEquals", ["c"], ("a", "b"), True),
    ],
)
def test_an_operator_holds_as_documented(
    operator: str, wanted: Any, have: Any, expected: bool
) -> None:
    value = (have,) if isinstance(have, str) else have
    context = {} if value is None else {"aws:key": value}

    assert are_met({operator: {"aws:Key": wanted}}, context) is expected


@pytest.mark.parametrize("operator", ["StringAlmost", "ForSomeValues:StringEquals", "BinaryEquals"])
def test_an_unknown_operator_is_an_error(operator: str) -> None:
    with pytest.raises(UnknownOperator):
        are_met({operator: {"aws:Key": "a"}}, {"aws:key": ("a",)})


def test_a_wildcard_matches_slashes_and_colons_and_nothing_else_is_special() -> None:
    assert matches("arn:aws:s3:::b/*", "arn:aws:s3:::b/x/y:z")
    assert not matches("a.c", "abc")


def a_check(action: str = "s3:GetObject", resource: str = "arn:aws:s3:::b/k", **keys: str) -> Check:
    return Check(action, resource, {k.replace("__", ":").lower(): (v,) for k, v in keys.items()})


def answer(*statements: dict[str, Any], check: Check | None = None) -> Answer:
    return decide([document(*statements)], check or a_check())


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], Answer.NOT_ALLOWED),
        ([ALLOW_ALL], Answer.ALLOWED),
        ([ALLOW_ALL, {**ALLOW_ALL, "Effect": "Deny"}], Answer.DENIED),
        ([{**ALLOW_ALL, "Action": "S3:getobject"}], Answer.ALLOWED),
        ([{**ALLOW_ALL, "Action": ["s3:Put*", "s3:Get*"]}], Answer.ALLOWED),
        ([{**ALLOW_ALL, "Resource": "arn:aws:s3:::b/other"}], Answer.NOT_ALLOWED),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], Answer.ALLOWED),
        ([{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}], Answer.NOT_ALLOWED),
        (
            [{"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::b/*"}],
            Answer.NOT_ALLOWED,
        ),
        ([{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}, ALLOW_ALL], Answer.DENIED),
        (
            [{**ALLOW_ALL, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}],
            Answer.NOT_ALLOWED,
        ),
    ],
)
def test_statements_decide_as_documented(
    statements: list[dict[str, Any]], expected: Answer
) -> None:
    assert answer(*statements) is expected


def test_policy_variables_are_filled_in_from_the_request() -> None:
    own = {**ALLOW_ALL, "Resource": "arn:aws:s3:::b/${aws:username}/*"}

    assert (
        answer(own, check=a_check(resource="arn:aws:s3:::b/ann/x", aws__username="ann"))
        is Answer.ALLOWED
    )
    assert (
        answer(own, check=a_check(resource="arn:aws:s3:::b/bob/x", aws__username="ann"))
        is Answer.NOT_ALLOWED
    )
    assert answer(own, check=a_check(resource="arn:aws:s3:::b//x")) is Answer.NOT_ALLOWED
