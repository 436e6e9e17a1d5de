"""How a group's workers are launched: types in order, subnets in turn, and what EC2 refuses."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from node.ray.launches import Launches

TAGS = {"ray-node-type": "worker", "ray-user-node-type": "gpu"}
SUBNETS = ["subnet-a", "subnet-b", "subnet-c"]
Attempt = tuple[str, str, str, int]


class LaunchRefused(Exception):
    """Ray's NodeLaunchException."""

    def __init__(self, category: str, description: str) -> None:
        super().__init__(description)
        self.category, self.description = category, description


@dataclass
class Ec2:
    """EC2 behind Ray's own provider: what it was asked for, and what it is short of."""

    short: dict[tuple[str, str], str] = field(default_factory=dict)
    most: int = 1_000
    attempts: list[Attempt] = field(default_factory=list)
    count: int = 0

    def launch(self, config: dict[str, Any], tags: dict[str, str], count: int) -> dict[str, Any]:
        assert tags == TAGS
        tags.clear()  # Ray's provider takes what it is given apart
        market = config.get("InstanceMarketOptions", {}).get("MarketType", "on-demand")
        assert not {"InstanceTypes", "Markets"} & config.keys()  # EC2 knows neither
        self.attempts.append((market, config["InstanceType"], config["SubnetIds"][0], count))
        if code := self.short.get((market, config["InstanceType"])):
            raise LaunchRefused(code, f"no {config['InstanceType']}")
        launched = {f"i-{self.count + n}": object() for n in range(min(count, self.most))}
        self.count += len(launched)
        return launched


@dataclass
class Group:
    """A group with its provider on a clock of ours."""

    ec2: Ec2
    provider: Any
    launches: Launches
    time: float = 1_000.0
    config: dict[str, Any] = field(
        default_factory=lambda: {
            "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "1"},
            "SubnetIds": list(SUBNETS),
            "InstanceTypes": ["g6.xlarge", "g5.xlarge"],
            "Markets": ["on-demand"],
        }
    )

    def launch(self, count: int = 1) -> list[Attempt]:
        """Launch some, and return what EC2 was asked for."""
        before = len(self.ec2.attempts)
        self.provider._create_node(self.config, dict(TAGS), count)
        return self.ec2.attempts[before:]


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Group]:
    """Ray's own classes are replaced by what they do as far as the provider sees it."""
    ec2 = Ec2()

    class AwsNodeProvider:
        def __init__(self, provider_config: dict[str, Any], cluster_name: str) -> None: ...

        def _create_node(
            self, config: dict[str, Any], tags: dict[str, str], count: int
        ) -> dict[str, Any]:
            return ec2.launch(config, tags, count)

    parts: dict[str, dict[str, object]] = {
        "ray": {},
        "ray.autoscaler": {},
        "ray.autoscaler._private": {},
        "ray.autoscaler._private.aws": {},
        "ray.autoscaler._private.aws.node_provider": {"AWSNodeProvider": AwsNodeProvider},
        "ray.autoscaler.node_launch_exception": {"NodeLaunchException": LaunchRefused},
        "ray.autoscaler.tags": {"TAG_RAY_USER_NODE_TYPE": "ray-user-node-type"},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "node.ray.provider", raising=False)
    from node.ray.provider import GroupProvider

    file = tmp_path / "launches.json"
    made = Group(ec2, None, Launches(file))
    made.provider = GroupProvider({"launches_file": str(file)}, "dev", clock=lambda: made.time)
    yield made
    sys.modules.pop("node.ray.provider", None)


def test_launches_the_first_type_while_there_is_capacity(group: Group) -> None:
    assert group.launch() == [("on-demand", "g6.xlarge", "subnet-a", 1)]
    assert group.launch() == [("on-demand", "g6.xlarge", "subnet-b", 1)]
    assert group.launches.read() == {}


def test_spreads_a_launch_over_the_subnets(group: Group) -> None:
    shares = [(subnet, count) for _, _, subnet, count in group.launch(5)]

    assert shares == [("subnet-a", 2), ("subnet-b", 2), ("subnet-c", 1)]


@pytest.mark.parametrize(
    "code",
    [
        "InsufficientInstanceCapacity",
        "InstanceLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "SpotMaxPriceTooLow",
        "Unsupported",
        "VcpuLimitExceeded",
    ],
)
def test_tries_the_next_type_at_once_when_the_first_has_no_capacity(
    group: Group, code: str
) -> None:
    group.ec2.short[("on-demand", "g6.xlarge")] = code

    assert [attempt[1] for attempt in group.launch()] == ["g6.xlarge", "g5.xlarge"]
    assert group.ec2.count == 1


def test_leaves_a_type_without_capacity_alone_for_three_minutes(group: Group) -> None:
    group.ec2.short[("on-demand", "g6.xlarge")] = "InsufficientInstanceCapacity"
    group.launch()
    group.ec2.short.clear()

    group.time += 179
    assert [attempt[1] for attempt in group.launch()] == ["g5.xlarge"]
    group.time += 2
    assert [attempt[1] for attempt in group.launch()] == ["g6.xlarge"]


def test_spot_comes_before_on_demand_where_both_will_do(group: Group) -> None:
    group.config["Markets"] = ["spot", "on-demand"]
    group.ec2.short = dict.fromkeys(
        [("spot", "g6.xlarge"), ("spot", "g5.xlarge")], "InsufficientInstanceCapacity"
    )

    assert [attempt[:2] for attempt in group.launch()] == [
        ("spot", "g6.xlarge"),
        ("spot", "g5.xlarge"),
        ("on-demand", "g6.xlarge"),
    ]


def test_fills_up_with_the_next_type_when_the_first_runs_out_on_the_way(group: Group) -> None:
    launch, group.ec2.most = group.ec2.launch, 1

    def run_out(config: dict[str, Any], tags: dict[str, str], count: int) -> dict[str, Any]:
        if group.ec2.count == 2:
            group.ec2.short[("on-demand", "g6.xlarge")] = "InsufficientInstanceCapacity"
        return launch(config, tags, count)

    group.ec2.launch = run_out  # type: ignore[method-assign]

    kinds = [attempt[1] for attempt in group.launch(3)]

    assert kinds == ["g6.xlarge", "g6.xlarge", "g6.xlarge", "g5.xlarge"]
    assert group.ec2.count == 3


def test_without_any_capacity_ray_is_told_and_the_reason_kept(group: Group) -> None:
    group.ec2.short = dict.fromkeys(
        [("on-demand", "g6.xlarge"), ("on-demand", "g5.xlarge")], "InsufficientInstanceCapacity"
    )

    with pytest.raises(LaunchRefused):
        group.launch()

    assert group.launches.read() == {
        "gpu": {
            "group": "gpu",
            "instance_type": "g5.xlarge",
            "market": "on-demand",
            "code": "InsufficientInstanceCapacity",
            "message": "no g5.xlarge",
            "at": 1_000.0,
        }
    }


def test_a_launch_that_succeeds_takes_the_reason_back(group: Group) -> None:
    group.ec2.short[("on-demand", "g6.xlarge")] = "InsufficientInstanceCapacity"
    group.ec2.short[("on-demand", "g5.xlarge")] = "InsufficientInstanceCapacity"
    with pytest.raises(LaunchRefused):
        group.launch()
    group.ec2.short.clear()

    group.launch()

    assert group.launches.read() == {}


@pytest.mark.parametrize("code", ["InvalidAMIID.NotFound", "UnauthorizedOperation"])
def test_what_no_other_type_would_help_is_not_tried_with_another(group: Group, code: str) -> None:
    group.ec2.short[("on-demand", "g6.xlarge")] = code

    with pytest.raises(LaunchRefused):
        group.launch()

    assert [attempt[1] for attempt in group.ec2.attempts] == ["g6.xlarge"]
    assert group.launches.read()["gpu"]["code"] == code
