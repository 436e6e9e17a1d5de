"""AWS's published rules for names, ARNs and tags. Pure: no AWS.

A name that breaks one would be refused minutes later, by a stack that is rolled back.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import AfterValidator


@dataclass(frozen=True)
class NameRule:
    """What a kind of name looks like: a pattern, lengths, the rule in words, and AWS's page."""

    pattern: str
    least: int
    most: int
    words: str
    page: str

    def broken_by(self, name: str) -> str:
        """Return what is wrong with the name; empty when nothing is."""
        if self.least <= len(name) <= self.most and re.fullmatch(self.pattern, name):
            return ""
        length = f", and has {len(name)}" if len(name) > self.most else ""
        return f"{name!r}: {self.words}, {self.least} to {self.most} characters{length}"


_DOCS = "https://docs.aws.amazon.com"
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
DOMAIN = NameRule(
    rf"{_LABEL}(\.{_LABEL})*",
    1,
    255,
    "a domain name: labels of a-z, 0-9 and '-', 63 at most each, between dots",
    f"{_DOCS}/Route53/latest/DeveloperGuide/DomainNameFormat.html",
)
# ElastiCache takes no hyphen at the end of a name that is derived from it, nor two in a row.
ENVIRONMENT = NameRule(
    "[a-z](-?[a-z0-9])*",
    1,
    21,
    "a-z, 0-9 and single '-', beginning with a letter and not ending in '-'",
    f"{_DOCS}/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html",
)
HOSTED_ZONE_ID = NameRule(
    "[A-Z0-9]+",
    1,
    32,
    "the id of a hosted zone, such as Z0123456789ABC",
    f"{_DOCS}/Route53/latest/APIReference/API_HostedZone.html",
)
PARAMETER = NameRule(
    r"(?i:(?!/(aws|ssm)))(/[A-Za-z0-9_.-]+){1,15}",
    2,
    1011,
    "'/', then letters, digits and . - _, up to 15 times, and not /aws or /ssm",
    f"{_DOCS}/systems-manager/latest/APIReference/API_PutParameter.html",
)
RULES = {
    # What is derived from it has suffixes: -nodes.
    "stack": NameRule(
        "[A-Za-z][A-Za-z0-9-]*",
        1,
        122,
        "letters, digits and '-', beginning with a letter",
        f"{_DOCS}/AWSCloudFormation/latest/APIReference/API_CreateStack.html",
    ),
    # It stands in ARNs of policies, where * and ? would be wildcards and $ a variable.
    "head_group": NameRule(
        r"[A-Za-z0-9 !#%&'()+,./;=@\[\]^_{}~-]+",
        1,
        255,
        "letters, digits and punctuation, without ':', '*', '?' and '$'",
        f"{_DOCS}/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html",
    ),
    "launch template": NameRule(
        r"[A-Za-z0-9().\-/_]+",
        3,
        128,
        "letters, digits and ( ) . - / _",
        f"{_DOCS}/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html",
    ),
    "head_dns": DOMAIN,
    "metric_namespace": NameRule(
        r"(?!AWS/)[A-Za-z0-9.\-_/#: ]*[A-Za-z0-9.\-_/# ][A-Za-z0-9.\-_/#: ]*",
        1,
        255,
        "letters, digits and . - _ / # :, not beginning with AWS/",
        f"{_DOCS}/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html",
    ),
    "secret": PARAMETER,
    "state_secret": PARAMETER,
    "bucket": NameRule(
        r"(?!xn--|sthree-|amzn-s3-demo-)(?!\d{1,3}(\.\d{1,3}){3}$)(?!.*\.\.)"
        r"[a-z0-9][a-z0-9.-]*[a-z0-9](?<!-s3alias)(?<!--ol-s3)(?<!\.mrap)(?<!--x-s3)(?<!--table-s3)",
        3,
        63,
        "a-z, 0-9, '-' and '.', a letter or digit at both ends, none of S3's own beginnings and "
        "endings",
        f"{_DOCS}/AmazonS3/latest/userguide/bucketnamingrules.html",
    ),
    "load_balancer": NameRule(
        "(?!internal-)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?",
        1,
        32,
        "letters, digits and '-', no '-' at either end, not beginning with internal-",
        f"{_DOCS}/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html",
    ),
    "lease_table": NameRule(
        "[A-Za-z0-9_.-]+",
        3,
        255,
        "letters, digits and . - _",
        f"{_DOCS}/amazondynamodb/latest/APIReference/API_CreateTable.html",
    ),
    "topic": NameRule(
        "[A-Za-z0-9_-]+",
        1,
        256,
        "letters, digits, '-' and '_'",
        f"{_DOCS}/sns/latest/api/API_CreateTopic.html",
    ),
    "lifecycle_hook": NameRule(
        r"[A-Za-z0-9\-_/]+",
        1,
        255,
        "letters, digits and - _ /",
        f"{_DOCS}/autoscaling/ec2/APIReference/API_PutLifecycleHook.html",
    ),
}


def follows(rule: NameRule) -> AfterValidator:
    """Return a check that a value, if any, is one that AWS takes."""

    def check(value: str) -> str:
        if value and (wrong := rule.broken_by(value)):
            raise ValueError(wrong)
        return value

    return AfterValidator(check)


# A resource takes 50 tags; up to 10 are Raykiln's and Ray's own.
# https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
MOST_TAGS = 40
LONGEST_KEY, LONGEST_VALUE = 128, 256
# Keys that the instance metadata service accepts; with any other, no instance launches.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html
TAG_KEY = re.compile(r"(?!\.{1,2}$)(?!_index$)[A-Za-z0-9+\-=.,_:@]+")
TAG_VALUE = re.compile(r"[\w\s.:/=+\-@]*")
# aws: is AWS's; the others are written on nodes by Raykiln and by Ray's autoscaler.
RESERVED_KEYS = re.compile(r"(?i:aws:).*|raykiln:.*|ray-.*|Name")


def partition_of(region: str) -> str:
    """Return a region's partition: docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def tag_mistakes(tags: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with tags."""
    if len(tags) > MOST_TAGS:
        yield f"{len(tags)} tags: a resource takes 50, and 10 are kept for Raykiln's and Ray's own"
    seen: dict[str, str] = {}
    for key, value in tags.items():
        if RESERVED_KEYS.fullmatch(key):
            yield f"{key!r}: aws:, raykiln:, ray- and Name are not for tags of your own"
        elif len(key) > LONGEST_KEY or not TAG_KEY.fullmatch(key):
            yield (
                f"{key!r} is not a key that the instance metadata service accepts: letters, digits "
                f"and + - = . , _ : @, {LONGEST_KEY} at most"
            )
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
        if (other := seen.setdefault(key.lower(), key)) != key:
            yield f"{other!r} and {key!r} are one key to IAM"
        if len(value) > LONGEST_VALUE or not TAG_VALUE.fullmatch(value):
            yield (
                f"the value of {key!r}: letters, digits, spaces and . : / = + - @ _, "
                f"{LONGEST_VALUE} at most"
            )
