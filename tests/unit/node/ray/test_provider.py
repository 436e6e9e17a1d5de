"""How a group's workers are launched: types in order, subnets in turn, and what EC2 refuses."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from node.ray.launches import Failure, Launches

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
    """EC2 behind Ray's own provider: what it was asked for, and what it is short of, by market and
    type, or by subnet.
    """

    short: dict[tuple[str, str] | str, str] = field(default_factory=dict)
    most: int = 1_000
    attempts: list[Attempt] = field(default_factory=list)
    interfaces: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0

    def launch(self, config: dict[str, Any], tags: dict[str, str], count: int) -> dict[str, Any]:
        assert tags.keys() == TAGS.keys()
        tags.clear()  # Ray's provider takes what it is given apart
        market = config.get("InstanceMarketOptions", {}).get("MarketType", "on-demand")
        assert not {"InstanceTypes", "Markets"} & config.keys()  # EC2 knows neither
        (subnet,) = config["SubnetIds"]
        self.attempts.append((market, config["InstanceType"], subnet, count))
        self.interfaces = config.get("NetworkInterfaces", [])
        kind = self.short.get((market, config["InstanceType"]))
        if code := kind or self.short.get(subnet):
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

    def types(self, count: int = 1) -> list[str]:
        """Launch some, and return the types that EC2 was asked for, in the order of the first."""
        return list(dict.fromkeys(kind for _, kind, _, _ in self.launch(count)))


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
        "UnfulfillableCapacity",
        "Unsupported",
        "VcpuLimitExceeded",
    ],
)
def test_tries_the_next_type_at_once_when_the_first_has_no_capacity(
    group: Group, code: str
) -> None:
    group.ec2.short[("on-demand", "g6.xlarge")] = code

    assert group.types() == ["g6.xlarge", "g5.xlarge"]
    assert group.ec2.count == 1


def test_where_one_zone_has_no_capacity_the_first_type_is_launched_in_another(
    group: Group,
) -> None:
    group.ec2.short["subnet-a"] = "InsufficientInstanceCapacity"

    assert [(kind, subnet, count) for _, kind, subnet, count in group.launch(5)] == [
        ("g6.xlarge", "subnet-a", 2),
        ("g6.xlarge", "subnet-b", 2),
        ("g6.xlarge", "subnet-b", 2),
        ("g6.xlarge", "subnet-c", 1),
    ]
    assert group.launches.read() == {}


@pytest.mark.parametrize(
    "code", ["InstanceLimitExceeded", "MaxSpotInstanceCountExceeded", "VcpuLimitExceeded"]
)
def test_a_quota_is_no_larger_in_another_subnet(group: Group, code: str) -> None:
    group.ec2.short[("on-demand", "g6.xlarge")] = code

    assert [kind for _, kind, _, _ in group.launch()] == ["g6.xlarge", "g5.xlarge"]


def test_each_group_takes_turns_with_its_own_subnets(group: Group) -> None:
    def launch(name: str, *subnets: str) -> str:
        config = group.config | {"SubnetIds": list(subnets)}
        group.provider._create_node(config, TAGS | {"ray-user-node-type": name}, 1)
        return group.ec2.attempts[-1][2]

    found = [(launch("cpu", "a", "b"), launch("gpu", "b", "c")) for _ in range(3)]

    assert found == [("a", "b"), ("b", "c"), ("a", "b")]


def test_each_interface_of_a_group_with_efa_is_in_the_subnet(group: Group) -> None:
    card = {"DeviceIndex": 0, "InterfaceType": "efa", "Groups": ["sg-1"]}
    group.config["NetworkInterfaces"] = [card]

    group.launch()
    group.launch()

    assert group.ec2.interfaces == [card | {"SubnetId": "subnet-b"}]


def test_leaves_a_type_without_capacity_alone_for_three_minutes(group: Group) -> None:
    group.ec2.short[("on-demand", "g6.xlarge")] = "InsufficientInstanceCapacity"
    group.launch()
    group.ec2.short.clear()

    group.time += 179
    assert group.types() == ["g5.xlarge"]
    group.time += 2
    assert group.types() == ["g6.xlarge"]


def test_spot_comes_before_on_demand_where_both_will_do(group: Group) -> None:
    group.config["Markets"] = ["spot", "on-demand"]
    group.ec2.short = dict.fromkeys(
        [("spot", "g6.xlarge"), ("spot", "g5.xlarge")], "InsufficientInstanceCapacity"
    )

    tried = dict.fromkeys((market, kind) for market, kind, _, _ in group.launch())

    assert list(tried) == [
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

    assert group.types(3) == ["g6.xlarge", "g5.xlarge"]
    assert group.ec2.count == 3


def test_ray_asks_again_for_what_could_not_be_launched(group: Group) -> None:
    launch, group.ec2.most = group.ec2.launch, 1

    def run_out(config: dict[str, Any], tags: dict[str, str], count: int) -> dict[str, Any]:
        if group.ec2.count == 2:
            group.ec2.short |= dict.fromkeys(SUBNETS, "InsufficientInstanceCapacity")
        return launch(config, tags, count)

    group.ec2.launch = run_out  # type: ignore[method-assign]

    with pytest.raises(LaunchRefused):
        group.launch(3)

    assert group.ec2.count == 2
    assert group.launches.read()["gpu"]["code"] == "InsufficientInstanceCapacity"


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
            "next": "g6.xlarge",
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

    assert [attempt[1:3] for attempt in group.ec2.attempts] == [("g6.xlarge", "subnet-a")]
    assert group.launches.read()["gpu"]["code"] == code


def test_a_refusal_says_what_is_tried_next(group: Group) -> None:
    group.config["Markets"] = ["on-demand", "spot"]
    said: list[str] = []

    def failed(failure: Failure, at: float) -> None:
        said.append(failure.next)

    group.provider._launches.failed = failed
    group.ec2.short = dict.fromkeys(SUBNETS, "InsufficientInstanceCapacity")

    with pytest.raises(LaunchRefused):
        group.launch()

    assert said == ["g5.xlarge", "g6.xlarge (spot)", "g5.xlarge (spot)", "g6.xlarge"]
