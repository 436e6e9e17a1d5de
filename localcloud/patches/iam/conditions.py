"""Evaluate the Condition block of an IAM statement. Pure: no AWS, no clock.

Follows "IAM JSON policy elements: Condition operators" and "Conditions with multiple context keys
or values"
(docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html): a
key that is absent fails a condition, satisfies a negated one and one with IfExists. An operator
that is not known here fails loudly: a security test must never guess.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

Context = Mapping[str, tuple[str, ...]]  # keys in lower case


class UnknownOperator(NotImplementedError):
    """A condition operator that this evaluator does not know."""


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in glob)
    return re.compile("".join(parts), re.DOTALL)


def matches(glob: str, value: str) -> bool:
    """Say whether a policy's pattern (* and ?) takes in the whole of ``value``."""
    return _pattern(glob).fullmatch(value) is not None


def _arn_matches(glob: str, value: str) -> bool:
    patterns, parts = glob.split(":", 5), value.split(":", 5)
    pairs = zip(patterns, parts, strict=False)
    return len(patterns) == len(parts) == 6 and all(matches(p, v) for p, v in pairs)


def _instant(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _in_network(network: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


# Each takes the policy's value and the request's.
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda want, have: want == have,
    "StringEqualsIgnoreCase": lambda want, have: want.lower() == have.lower(),
    "StringLike": matches,
    "NumericEquals": lambda want, have: float(have) == float(want),
    "NumericLessThan": lambda want, have: float(have) < float(want),
    "NumericLessThanEquals": lambda want, have: float(have) <= float(want),
    "NumericGreaterThan": lambda want, have: float(have) > float(want),
    "NumericGreaterThanEquals": lambda want, have: float(have) >= float(want),
    "DateEquals": lambda want, have: _instant(have) == _instant(want),
    "DateLessThan": lambda want, have: _instant(have) < _instant(want),
    "DateLessThanEquals": lambda want, have: _instant(have) <= _instant(want),
    "DateGreaterThan": lambda want, have: _instant(have) > _instant(want),
    "DateGreaterThanEquals": lambda want, have: _instant(have) >= _instant(want),
    "Bool": lambda want, have: want.lower() == have.lower(),
    "IpAddress": _in_network,
    "ArnEquals": _arn_matches,
    "ArnLike": _arn_matches,
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def are_met(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Say whether every operator holds for every one of its keys."""
    return all(
        _holds(operator, _listed(expected, context), context.get(key.lower()))
        for operator, pairs in condition.items()
        for key, expected in pairs.items()
    )


def _listed(expected: Any, context: Context) -> list[str]:
    values = expected if isinstance(expected, list) else [expected]
    written = [str(v).lower() if isinstance(v, bool) else str(v) for v in values]
    return [substituted(value, context) for value in written]


def _holds(operator: str, expected: list[str], have: tuple[str, ...] | None) -> bool:
    name, optional = operator.removesuffix("IfExists"), operator.endswith("IfExists")
    quantifier, _, bare = name.rpartition(":")
    if bare == "Null":
        return (have is None) == (expected[0].lower() == "true")
    if bare not in _OPERATORS and bare not in _NEGATED:
        raise UnknownOperator(f"condition operator {operator}")
    if quantifier not in ("", "ForAllValues", "ForAnyValue"):
        raise UnknownOperator(f"condition operator {operator}")
    if not have:
        return optional or quantifier == "ForAllValues" or (not quantifier and bare in _NEGATED)
    each = [_value_holds(bare, expected, value) for value in have]
    return all(each) if quantifier == "ForAllValues" else any(each)


def _value_holds(operator: str, expected: list[str], have: str) -> bool:
    if operator in _NEGATED:
        positive = _OPERATORS[_NEGATED[operator]]
        return not any(positive(one, have) for one in expected)
    return any(_OPERATORS[operator](one, have) for one in expected)


def substituted(text: str, context: Context) -> str:
    """Return ``text`` with its policy variables filled in; one that is absent matches nothing."""

    def one(match: re.Match[str]) -> str:
        name, _, default = match[1].partition(",")
        if name in ("*", "?", "$"):
            return name
        found = context.get(name.strip().lower())
        if found:
            return found[0]
        return default.strip().strip("'") if default else "\0"

    return re.sub(r"\$\{([^}]+)\}", one, text)
