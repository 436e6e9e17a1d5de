"""A group that grows with what waits: Ray's own scheduler, and Ray's autoscaler with real nodes."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import ray
import yaml
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.autoscaler.v2.utils import ResourceRequestUtil
from ray.core.generated.autoscaler_pb2 import ResourceRequestByCount
from ray.core.generated.common_pb2 import LabelSelectorOperator

from common.waiting import Seen, SystemClock, wait_for
from deploy.release.autoscaler_yaml import Source, autoscaler_yaml
from documents import nodes
from documents.consumer import Consumer, Keeper, names, states
from documents.entry import NAMESPACE, nodes_of
from documents.log import JsonLog
from documents.settings import load_settings
from tests.documents.ray_cluster import RayCluster, ray_folder
from tests.marks import THOROUGH_ONLY
from tests.unit.deploy.builders import an_environment, the_settings
from tests.unit.documents.test_settings import NEEDED

GROUP = "documents"
SECONDS = 240.0


def config(groups: dict[str, tuple[int, int]]) -> dict[str, Any]:
    """Return what a deploy writes for Ray's autoscaler: these groups, each with its min and max."""
    tables = {
        name: {"instance_types": ["m6i.large"], "min": least, "max": most}
        for name, (least, most) in groups.items()
    }
    environment = an_environment(workers=tables)
    source = Source("lt-1", 1, ("subnet-1",))
    text = autoscaler_yaml(environment, the_settings(environment), dict.fromkeys(groups, source))
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_rays_scheduler_launches_a_node_of_the_group_that_work_asks_for() -> None:
    of_group = ("ray.io/node-group", LabelSelectorOperator.LABEL_OPERATOR_IN, [GROUP])
    asked = ResourceRequestUtil.make({"CPU": 2.0}, label_selectors=[[of_group]])
    found = AutoscalingConfig(config({"cpu": (0, 5), GROUP: (0, 3)}), skip_content_hash=True)

    reply = ResourceDemandScheduler().schedule(
        SchedulingRequest(
            disable_launch_config_check=True,
            node_type_configs=found.get_node_type_configs(),
            max_num_nodes=found.get_max_num_nodes(),
            current_instances=[],
            resource_requests=[ResourceRequestByCount(request=asked, count=2)],
        )
    )

    assert [(one.instance_type, one.count) for one in reply.to_launch] == [(GROUP, 2)]


class Idle:
    """A worker without a queue."""

    def __init__(self) -> None:
        self.state = {"at": ""}
        self._over = threading.Event()
        self.run, self.stop = self._over.wait, self._over.set


class IdleConsumer(Consumer):
    """A consumer without settings, model and AWS."""

    def __init__(self, name: str) -> None:
        self._log, self._worker = JsonLog(name), Idle()  # type: ignore[assignment] # as far as used
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()


class Lodger:
    """As keeper and answers: takes no CPU, and stays."""

    def node(self) -> str:
        return str(ray.get_runtime_context().get_node_id())


@dataclass
class Pipeline:
    """A keeper of a group of one to three nodes, of which the autoscaler would launch four."""

    keeper: Keeper
    waiting: int = 0

    def until(self, what: str, look: Callable[[], bool]) -> None:
        def see() -> Seen[bool]:
            self.keeper.step()
            words = f"{len(nodes_of(GROUP))} nodes, {states()}"
            return Seen(look() or None, words)

        wait_for(what, see, clock=SystemClock(), seconds=SECONDS, every=0.5)


@pytest.fixture
def cluster() -> Iterator[RayCluster]:
    variables = {"RAY_enable_autoscaler_v2": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    with ray_folder(variables) as found:
        written = config({GROUP: (1, 4), "cpu": (0, 1)})
        written["provider"] = {
            "type": "external",
            "module": "tests.documents.local_provider.LocalProvider",
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "address": f"127.0.0.1:{found.port}",
            "folder": str(found.folder),
        }
        written["available_node_types"][GROUP]["idle_timeout_s"] = 3
        path = found.folder / "autoscaler.yaml"
        path.write_text(yaml.safe_dump(written))
        named = {"RAY_CLOUD_INSTANCE_ID": "head", "RAY_NODE_TYPE_NAME": "head"}
        found.start_head(f"--autoscaling-config={path}", **named)
        found.await_started("head")
        ray.init(address=f"127.0.0.1:{found.port}", namespace=NAMESPACE, log_to_driver=False)
        try:
            yield found
        finally:
            ray.shutdown()
            print(said_by_the_autoscaler(found))


def said_by_the_autoscaler(cluster: RayCluster) -> str:
    """Return its log, without what it says of every configuration, and those of its nodes."""
    log = (cluster.folder / "ray/session_latest/logs/monitor.log").read_text().splitlines()
    lines = [line for line in log if "empty legacy field" not in line]
    nodes = [path.read_text()[-1000:] for path in sorted(cluster.folder.glob("node-*.log"))]
    return "\n".join([*lines[-60:], *nodes])


@pytest.fixture
def pipeline(cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setattr("documents.consumer.Consumer", IdleConsumer)
    told = {"GROUP": GROUP, "WORKERS_MAX": "3", "GROW_SECONDS": "1", "SHRINK_SECONDS": "4"}
    told["CONSUMER_MEMORY"] = "0"
    settings = load_settings({**NEEDED, **{f"DOCUMENTS_{key}": told[key] for key in told}})
    log = JsonLog("keeper")
    found = Pipeline(Keeper(settings, nodes.Nodes(settings, lambda: found.waiting, log), log))
    return found


@THOROUGH_ONLY
def test_the_group_grows_with_what_waits_and_shrinks_when_nothing_does(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.until("the first node", lambda: running() == [2])

    pipeline.waiting = 25
    pipeline.until("three nodes", lambda: running() == [2, 2, 2])
    placed = {"num_cpus": 0, "label_selector": {"ray.io/node-group": GROUP}}
    lodger = ray.remote(Lodger).options(**placed).remote()
    home = ray.get(lodger.node.remote())
    monkeypatch.setattr(nodes, "_needed", lambda: {home})

    pipeline.waiting = 0
    pipeline.until("one node", lambda: [n["NodeID"] for n in nodes_of(GROUP)] == [home])
    assert running() == [2]

    pipeline.waiting = 15
    pipeline.until("two nodes", lambda: running() == [2, 2])


def running() -> list[int]:
    """Return how many consumers run on each node of the group, and wait for none."""
    assert len(nodes_of(GROUP)) <= 3
    found = [state.get("node", "") for state in states().values()]
    counts = [found.count(node["NodeID"]) for node in nodes_of(GROUP)]
    return counts if sum(counts) == len(names()) else []
