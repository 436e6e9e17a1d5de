"""The example environments: complete but for what only a person knows."""

import tomllib
from pathlib import Path

import pytest

from common.environment import load_environment
from common.errors import Refused
from tests.unit.environments.examples import EXAMPLES, NAMES, load_filled


def test_there_are_these_examples_and_no_others() -> None:
    assert tuple(sorted(path.stem for path in EXAMPLES.glob("*.toml"))) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_filled_in_copy_is_an_environment(name: str, tmp_path: Path) -> None:
    assert load_filled(name, tmp_path).name == name


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("smallest", {"account_id"}),
        ("arm64", {"account_id", "alarms.email"}),
        ("cpu", {"account_id", "alarms.email"}),
        ("cpu-and-gpu-spot", {"account_id", "alarms.email", "nodes.s3_read.0"}),
        (
            "training",
            {
                "account_id",
                "alarms.email",
                "workers.train.zones.0",
                "workers.train.s3_read.0",
                "workers.train.s3_write.0",
            },
        ),
        (
            "existing-vpc",
            {
                "account_id",
                "alarms.email",
                "network.vpc_id",
                "network.private_subnet_ids.0",
                "network.private_subnet_ids.1",
                "image.build_subnet_id",
                "nodes.security_group_ids.0",
                "nodes.efs.0.id",
                "dns.zone",
                "dns.zone_id",
            },
        ),
    ],
)
def test_an_example_lacks_only_what_its_owner_knows(name: str, missing: set[str]) -> None:
    with pytest.raises(Refused) as refused:
        load_environment(name, EXAMPLES)

    lines = str(refused.value).splitlines()
    reported = {line.split(": ")[1] for line in lines if "only you know" in line}
    assert reported == missing
    assert f"{len(missing)} mistake" in lines[0]


def test_examples_are_not_among_the_environments() -> None:
    with pytest.raises(Refused) as refused:
        load_environment("cpu")

    assert refused.value.hint.startswith("known environments: local, prod, staging; ")


def test_each_example_says_how_to_use_it() -> None:
    for name in NAMES:
        text = (EXAMPLES / f"{name}.toml").read_text("utf-8")
        assert "# Copy this file to environments/NAME.toml and replace every FILL-IN" in text


def test_no_two_examples_have_the_same_network() -> None:
    networks = [tomllib.loads(p.read_text("utf-8"))["network"] for p in EXAMPLES.glob("*.toml")]
    ranges = [network["cidr"] for network in networks if "cidr" in network]

    assert len(set(ranges)) == len(ranges) == 5
