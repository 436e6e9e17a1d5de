"""The page on AWS: it walks the whole way, its keys are the file's, its sums the price table's."""

import re
from ipaddress import IPv4Network

from common.account_access import AccountAccess
from common.network import INTERFACES, Network
from deploy.plan.price_table import prices_of
from deploy.plan.prices import HOURS, REGION
from node.lease.lease import LEASE_TIMES
from tests.lint.test_docs import commands
from tests.lint.test_linters import ROOT

M6I = ("m6i.large", "m6i.xlarge", "m6i.4xlarge")
# Not in the price table. https://aws.amazon.com/route53/pricing/: the first 25 hosted zones;
# https://aws.amazon.com/dynamodb/pricing/on-demand/: a write of at most 1 KB
ZONE, WRITE = 0.50, 0.625e-6
BEATS = HOURS * 3600 / LEASE_TIMES.renewal_interval  # writes a month
PAGE = (ROOT / "docs" / "on-aws.md").read_text("utf-8")


def test_the_page_walks_the_whole_way() -> None:
    assert {name for name, _ in commands(PAGE)} == {
        *("account.setup", "account.template", "account.remove", "doctor", "probe", "test", "bake"),
        *("images", "images.promote", "images.prune"),
        *("plan", "deploy", "verify", "status", "smoke", "rollback", "destroy", "connect", "cost"),
    }


def test_the_variables_that_it_sets_are_those_that_run_sh_reads() -> None:
    """What a value is, tests/unit/test_run_sh.py tests."""
    named = re.findall(r"`(?:export )?(RAYKILN_\w+)=(\w+)[ `]", PAGE)
    script = (ROOT / "run.sh").read_text("utf-8")

    assert named
    assert [name for name, _ in named if f"${{{name}" not in script] == []
    assert [value for _, value in named if f"\n{value})" not in script] == []


def test_the_keys_of_account_are_those_of_the_file() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", PAGE, re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"`([a-z_]+)`", row)}

    assert set(AccountAccess.model_fields) <= named


def test_the_sums_of_the_page_are_right() -> None:
    """What each row says is the price table's, a month of 730 hours."""
    prices = prices_of(REGION)
    assert prices
    assert prices.pipeline
    network = Network(operator_cidrs=(IPv4Network("10.0.0.0/8"),), endpoints=True)
    count, each = len(network.interfaces), prices.endpoint_hour * HOURS
    endpoints = count * 2 * each
    gateway, address = prices.nat_hour * HOURS, prices.address_hour * HOURS
    balancer = prices.load_balancer_hour * HOURS
    alarm, metrics = prices.pipeline.alarm_month, 4 * prices.pipeline.metric_month
    hour, gib, snapshot = prices.hour, prices.gp3_gib_month, prices.snapshot_gib_month
    nodes = ", ".join(f"{kind} ${hour[kind] * HOURS:.2f}" for kind in M6I)

    for said in (
        f"| ${snapshot:.2f} a GiB of data: about ${snapshot * 8:.2f} for 8 GiB |",
        f"| cents: ${hour['m6i.large']:.2f} an hour for an m6i.large |",
        f"| {count} \u00d7 2 \u00d7 ${each:.2f} = ${endpoints:.2f} |",
        f"| ${gateway:.2f} and ${address:.2f} for its address = ${gateway + address:.2f}, and ",
        f"| network load balancer | ${balancer:.2f}, and traffic |",
        f"| ${5 * alarm:.2f} or ${6 * alarm:.2f}, and four metrics \u00d7 "
        f"${prices.pipeline.metric_month:.2f} = ${metrics:.2f} |",
        f"is {BEATS / 1e6:.1f} million writes, about ${BEATS * WRITE:.2f} |",
        f"| {nodes} each, and ${gib:.2f} a GiB of volume |",
        f"cache.t4g.small ${prices.redis_hour['cache.t4g.small'] * HOURS:.2f} |",
        f"| private hosted zone | ${ZONE:.2f} |",
    ):
        assert said in PAGE, said
    both = 2 * (hour["m6i.large"] * HOURS + 8 * gib)
    rest = both + balancer + ZONE + BEATS * WRITE + 5 * alarm + metrics
    total = rest + endpoints, rest + gateway + address
    assert f"are ${total[0]:.0f} a month with endpoints and ${total[1]:.0f} with NAT" in PAGE


def test_the_page_and_the_smallest_example_count_the_endpoints_alike() -> None:
    example = (ROOT / "environments" / "examples" / "smallest.toml").read_text("utf-8")
    word = {6: "six", 7: "seven"}[len(INTERFACES)]

    assert f"{word} interface endpoints in two zones" in PAGE
    assert f"the endpoints of {word} services in two zones" in example


def test_all_of_it_is_undone_with_what_a_prune_keeps_deregistered_last() -> None:
    undone = PAGE.partition("## All of it, undone")[2].strip().splitlines()

    assert [line.split()[1] for line in undone] == [
        *("destroy", "images.prune", "images", "account.remove"),
    ]
    assert "deregister-image --image-id" in undone[2]
