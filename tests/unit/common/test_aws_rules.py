"""Names, tags, ranges and addresses are refused when the file is read, by AWS's published rules.

The pages are beside the rules, in common/aws_rules.py and common/network.py. What AWS takes is
taken: each kind has names at its limits.
"""

from pathlib import Path
from typing import Any

import pytest

from common.aws_rules import DOMAIN, RULES
from common.environment import environment_from
from common.errors import Refused
from tests.unit.deploy.builders import an_environment

OPERATORS = {"operator_cidrs": ["10.0.0.0/8"]}
WORKERS = {"instance_type": "m6i.large", "min": 1, "max": 3}


def mistakes(**changes: Any) -> list[str]:
    """Return the mistakes of an environment, each with its key."""
    with pytest.raises(Refused) as refused:
        an_environment(**changes)
    return [line.removeprefix("  dev.toml: ") for line in refused.value.message.splitlines()[1:]]


@pytest.mark.parametrize(
    ("kind", "taken", "refused"),
    [
        ("stack", ["a", "Ray-1", "a" * 122], ["", "1a", "a_b", "a.b", "a" * 123]),
        ("head_group", ["a", "ray heads/1", "a" * 255], ["", "a:b", "a*", "a?", "${a}", "a" * 256]),
        ("launch template", ["abc", "a(b).c-d/e_f", "a" * 128], ["ab", "a b", "a:b", "a" * 129]),
        ("metric_namespace", ["Ray/Head", "a" * 255], ["", "AWS/EC2", "a$", ":", "a" * 256]),
        (
            "secret",
            ["/ray/dev/token", "/a", "/a" * 15],
            ["ray", "/", "//a", "/a/", "/aws/a", "/AWSkey", "/ssm/a", "/a b", "/a" * 16],
        ),
        (
            "bucket",
            ["abc", "my.bucket-1", "a" * 63],
            [
                *("ab", "a" * 64, "A-b", "a_b", "-abc", "abc-", "a..b", "10.0.0.1", "xn--abc"),
                *("sthree-abc", "amzn-s3-demo-abc", "abc-s3alias", "abc--ol-s3", "abc.mrap"),
                *("abc--x-s3", "abc--table-s3"),
            ],
        ),
        (
            "load_balancer",
            ["a", "ray-1", "a" * 32],
            ["", "-a", "a-", "a_b", "internal-a", "a" * 33],
        ),
        ("lease_table", ["abc", "a.b-c_d", "a" * 255], ["ab", "a b", "a/b", "a" * 256]),
        ("topic", ["a", "a_B-1", "a" * 256], ["", "a.fifo", "a b", "a" * 257]),
        ("lifecycle_hook", ["a", "a/b_c-d", "a" * 255], ["", "a.b", "a b", "a" * 256]),
    ],
)
def test_a_name_is_what_aws_takes(kind: str, taken: list[str], refused: list[str]) -> None:
    assert [name for name in taken if RULES[kind].broken_by(name)] == []
    assert [name for name in refused if not RULES[kind].broken_by(name)] == []


@pytest.mark.parametrize(
    "zone",
    ["https://ray internal", "ray internal", "ray..internal", "-ray.internal", "a" * 64, "."],
)
def test_a_zone_is_a_domain_name(zone: str) -> None:
    assert DOMAIN.broken_by(zone)
    assert not DOMAIN.broken_by("ray-1.example.internal")
    assert mistakes(dns={"zone": zone})[0].startswith(f"dns.zone: {zone!r}: a domain name")


def test_every_rule_has_a_page_of_aws() -> None:
    assert [k for k, rule in RULES.items() if not rule.page.startswith("https://docs.aws")] == []


@pytest.mark.parametrize(
    ("name", "is_taken"),
    [("dev", 1), ("gpu-2-b", 1), ("a" * 21, 1), ("hyph-", 0), ("a--b", 0), ("1a", 0), ("A", 0)],
)
def test_an_environment_s_name_can_be_in_all_names_derived_from_it(
    name: str, is_taken: int
) -> None:
    content = an_environment().model_dump(include={"region", "account_id"}) | {
        "network": OPERATORS,
        "image": {"base_id": "ami-1"},
        "head": {"instance_type": "m6i.large"},
        "workers": WORKERS,
        "dns": {"zone": "ray.internal"},
    }
    if is_taken:
        assert environment_from(content, Path(f"{name}.toml")).name == name
    else:
        with pytest.raises(Refused, match="single '-', beginning with a letter"):
            environment_from(content, Path(f"{name}.toml"))


@pytest.mark.parametrize("cidr", ["10.0.0.0/8", "10.0.0.0/15", "10.0.0.0/25", "10.0.0.0/28"])
def test_a_vpc_that_aws_or_its_subnets_have_no_room_for_is_refused(cidr: str) -> None:
    (found,) = mistakes(network=OPERATORS | {"cidr": cidr})

    assert found.startswith(f"network.cidr: {cidr} is a /{cidr.split('/')[1]}: a VPC is a /16")


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.0.0.0/24"])
def test_a_vpc_with_room_is_taken(cidr: str) -> None:
    assert str(an_environment(network=OPERATORS | {"cidr": cidr}).network.cidr) == cidr


def test_a_number_is_no_range() -> None:
    assert mistakes(network=OPERATORS | {"cidr": 10}) == [
        "network.cidr: 10 is no range such as 10.77.0.0/16"
    ]


def test_operators_are_not_everyone() -> None:
    assert mistakes(network={"operator_cidrs": ["10.0.0.0/8", "0.0.0.0/0"]}) == [
        "network.operator_cidrs.1: 0.0.0.0/0 is every address: name the ranges of your VPN or "
        "office"
    ]


@pytest.mark.parametrize("email", ["not an email", "a@b", "@b.c", "a b@c.d"])
def test_an_email_address_is_one(email: str) -> None:
    (found,) = mistakes(alarms={"email": email})

    assert found.startswith("alarms.email:")
    assert an_environment(alarms={"email": "on-call@example.com"}).alarms.email


@pytest.mark.parametrize("name", ["", "m6i", "m6i large", "M6i.large"])
def test_the_head_s_instance_type_is_one(name: str) -> None:
    assert mistakes(head={"instance_type": name}) == [
        f"head.instance_type: {name!r} is no instance type, such as m6i.4xlarge"
    ]


# --- Tags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"aws:team": "a"}, "'aws:team': aws:, raykiln:, ray- and Name are not for tags"),
        ({"AWS:team": "a"}, "'AWS:team': aws:"),
        ({"raykiln:role": "head"}, "'raykiln:role': aws:, raykiln:"),
        ({"ray-node-type": "head"}, "'ray-node-type': aws:, raykiln:, ray-"),
        ({"Name": "mine"}, "'Name': aws:"),
        ({"a/b": "1"}, "'a/b' is not a key that the instance metadata service accepts"),
        ({"_index": "1"}, "'_index' is not a key"),
        ({"k" * 129: "1"}, "is not a key"),
        ({"team": "x" * 300}, "the value of 'team': letters"),
        ({"team": "a;b"}, "the value of 'team': letters"),
        ({"Team": "a", "team": "b"}, "'Team' and 'team' are one key to IAM"),
        ({f"t{n}": "" for n in range(60)}, "60 tags: a resource takes 50"),
    ],
)
def test_a_tag_that_some_service_would_refuse_is_refused(tags: dict[str, str], words: str) -> None:
    (found,) = mistakes(tags=tags)

    assert words in found


def test_tags_at_their_limits_are_taken() -> None:
    tags = {f"t{n}": "" for n in range(38)} | {"k" * 128: "v" * 256, "a:b@c": "Zürich / 1+1=2"}

    assert an_environment(tags=tags).tags == tags


# --- Together -------------------------------------------------------------------------------------


def test_all_names_are_refused_at_once_with_their_keys() -> None:
    found = mistakes(
        names={"load_balancer": "l" * 33, "secret": "no-slash", "bucket": "UPPER", "stack": "1"}
    )

    assert [line.split(": ")[0] for line in found] == [
        "names.stack",
        "names.secret",
        "names.bucket",
        "names.load_balancer",
    ]
    assert "32 characters, and has 33" in found[3]


def test_one_name_for_both_secrets_is_refused() -> None:
    found = mistakes(names={"state_secret": "/ray/dev/redis_password"})

    assert found == ["names: secret and state_secret would both be /ray/dev/redis_password"]


def test_one_name_for_both_launch_templates_is_refused() -> None:
    names = {"head_template": "ray", "worker_template": "ray"}

    assert mistakes(names=names) == ["names: two launch templates would be called ray"]


def test_a_group_s_launch_template_may_not_be_another_s() -> None:
    group = {"instance_types": ["m6i.large"], "min": 0, "max": 1}
    names = {"head_template": "ray.gpu", "worker_template": "ray"}

    assert mistakes(names=names, workers={"gpu": group}) == [
        "names: two launch templates would be called ray.gpu"
    ]


def test_the_stable_name_is_within_its_zone() -> None:
    assert mistakes(names={"head_dns": "ray.example.com"}) == [
        "names.head_dns: ray.example.com is not within dns.zone, ray.internal"
    ]


# --- An existing VPC ------------------------------------------------------------------------------

EXISTING = OPERATORS | {
    "vpc_id": "vpc-01234567",
    "private_subnet_ids": ["subnet-01234567", "subnet-0123456789abcdef0"],
}


def test_endpoints_of_an_existing_vpc_are_named_one_by_one() -> None:
    assert an_environment(network=EXISTING).network.interfaces == ()
    assert an_environment(network=OPERATORS).network.gateways == ("dynamodb", "s3")
    named = an_environment(network=EXISTING | {"endpoints": ["ssm"]}).network
    assert (named.interfaces, named.gateways) == (("ssm",), ())

    assert "name those that it lacks" in mistakes(network=EXISTING | {"endpoints": True})[0]
    assert "route_table_ids go together" in mistakes(network=EXISTING | {"endpoints": ["s3"]})[0]
    tables = {"route_table_ids": ["rtb-01234567"]}
    assert "route_table_ids go together" in mistakes(network=EXISTING | tables)[0]
    assert "only for an existing VPC" in mistakes(network=OPERATORS | tables)[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vpc_id", "vpc-1"),
        ("vpc_id", "subnet-01234567"),
        ("private_subnet_ids", ["subnet-xyz01234"]),
        ("private_subnet_ids", ["subnet-01234567", "subnet-01234567"]),
    ],
)
def test_ids_are_of_ec2_s_form_and_named_once(key: str, value: Any) -> None:
    assert mistakes(network=EXISTING | {key: value})[0].startswith("network")
