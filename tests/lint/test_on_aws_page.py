"""The page on AWS: every command that it names is a task, every key one of the file's."""

import re
from inspect import signature
from ipaddress import IPv4Network

import pytest

from common.account_access import AccountAccess
from common.network import INTERFACES, Network
from tasks import namespace
from tests.lint.test_linters import ROOT

PAGE = (ROOT / "docs" / "on-aws.md").read_text("utf-8")
COMMAND = re.compile(
    r"(?:\binvoke|\./run\.sh)\s+([a-z][a-z.-]*)((?:\s+--[a-z-]+(?:\s+[A-Za-z]+)?)*)"
)


def commands() -> dict[str, set[str]]:
    """Return each command that the page names, with its options."""
    found: dict[str, set[str]] = {}
    for name, options in COMMAND.findall(PAGE):
        found.setdefault(name, set()).update(re.findall(r"--([a-z-]+)", options))
    return found


def test_the_page_walks_the_whole_way() -> None:
    assert set(commands()) == {
        *("account.setup", "account.template", "account.remove", "doctor", "probe", "test", "bake"),
        *("images", "images.promote", "images.prune"),
        *("plan", "deploy", "verify", "status", "smoke", "rollback", "destroy", "connect"),
    }


@pytest.mark.parametrize("name", sorted(commands()))
def test_a_command_exists_with_its_options(name: str) -> None:
    known = set(signature(namespace[name].body).parameters) - {"c"}

    assert commands()[name] <= {option.replace("_", "-") for option in known}


def test_the_variables_that_it_sets_are_those_that_run_sh_reads() -> None:
    """What a value is, tests/unit/test_run_sh.py tests."""
    named = re.findall(r"`(RAYKILN_\w+)=(\w+)[ `]", PAGE)
    script = (ROOT / "run.sh").read_text("utf-8")

    assert named
    assert [name for name, _ in named if f"${{{name}" not in script] == []
    assert [value for _, value in named if f"\n{value})" not in script] == []


def test_the_keys_of_account_are_those_of_the_file() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", PAGE, re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"`([a-z_]+)`", row)}

    assert set(AccountAccess.model_fields) <= named


def test_the_sums_of_the_page_are_right() -> None:
    """A price an hour, times 730 hours, times what a foundation has of it."""
    network = Network(operator_cidrs=(IPv4Network("10.0.0.0/8"),), endpoints=True)
    endpoints, each = len(network.interfaces), 0.01 * 730

    said = f"{endpoints} \u00d7 2 \u00d7 ${each:.2f} = ${endpoints * 2 * each:.2f}"
    assert said in PAGE
    assert f"m6i.large ${0.096 * 730:.2f}" in PAGE
    assert f"| network load balancer | ${0.0225 * 730:.2f}" in PAGE


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
