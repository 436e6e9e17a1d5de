"""The checks of each group: how many are alive, as promised, and running a task."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from common.environment import Environment
from common.errors import PipelineError
from deploy.cluster.instances import Instance
from deploy.cluster.ray_api import Job, RayNode
from deploy.foundation.stack import Foundation
from deploy.plan.desired_state import DesiredState
from deploy.release.release import Release
from deploy.verify.check import Verdict
from deploy.verify.group_checks import group_checks
from tests.unit.deploy.builders import (
    a_foundation,
    a_release,
    an_environment,
    an_instance,
    the_settings,
)
from tests.unit.localcloud.fakes import FakeClock

WORKERS = {
    "cpu": {"instance_types": ["m6i.large"], "min": 2, "max": 5, "labels": {"team": "ads"}},
    "gpu": {"instance_types": ["g6.xlarge"], "min": 0, "max": 8},
}
OFFERED = {"CPU": 2.0, "driver": 1000.0}  # by each worker, to Ray
NOW = datetime(2026, 11, 22, 0, 5, tzinfo=UTC).timestamp()  # five minutes after all launches


@dataclass
class Ray:
    """Ray's nodes, and a group job that runs where ``ran`` says."""

    alive: list[RayNode] = field(default_factory=list)
    ran: dict[str, str] = field(default_factory=dict)
    submitted: list[str] = field(default_factory=list)
    base: str = "http://ray"

    def nodes(self) -> tuple[RayNode, ...]:
        return (RayNode("head", "10.77.0.1", True, "ALIVE"), *self.alive)

    def submit(self, entrypoint: str, submission_id: str, *, on_head: bool) -> None:
        self.submitted.append(entrypoint)

    def job(self, submission_id: str) -> Job:
        return Job(submission_id, "SUCCEEDED", "")

    def logs(self, submission_id: str) -> str:
        found = [{"group": group, "address": address} for group, address in self.ran.items()]
        return "".join(f"here: {json.dumps(one)}\n" for one in found)


@dataclass
class ClusterStub:
    """Stands in for deploy.verify.checked_cluster.CheckedCluster."""

    environment: Environment = field(default_factory=lambda: an_environment(workers=WORKERS))
    foundation: Foundation = field(default_factory=a_foundation)
    rolls_out: bool = False
    api: Ray = field(default_factory=Ray)
    clock: FakeClock = field(default_factory=FakeClock)
    found: list[Instance] = field(default_factory=list)
    now: float = NOW

    @property
    def release(self) -> Release:
        return a_release(groups=the_settings(self.environment).groups)

    def now_at_aws(self) -> float:
        return self.now

    def instances(self, role: str, *, leaving: bool) -> tuple[Instance, ...]:
        assert (role, leaving) == ("worker", True)
        return tuple(self.found)

    def add(self, number: int, group: str, *, joined: bool = True, **changes: Any) -> None:
        """Add a worker as its group promises, but for these changes."""
        address = f"10.77.0.{number}"
        contents = DesiredState(self.environment, self.release)
        one = self.release.settings.group_named(group)
        content = contents.worker_content(self.foundation, one).digest if one else ""
        kind = one.instance_types[0] if one else "m6i.large"
        instance = an_instance(f"i-{number}", "worker", content, group=group)
        self.found.append(replace(instance, **{"address": address, "type": kind} | changes))
        if joined:
            labels = {"ray.io/node-group": group} | dict(one.labels if one else ())
            node = RayNode(f"n{number}", address, False, "ALIVE", OFFERED, labels)
            self.api.alive.append(node)
            self.api.ran.setdefault(group, address)

    def look(self, name: str) -> Verdict:
        cluster: Any = self
        return group_checks(cluster)[name]()

    def group(self, name: str) -> Verdict:
        return self.look(f"group {name} has its workers")

    def relabel(self, number: int, labels: dict[str, str]) -> None:
        """Have Ray show other labels of a node."""
        node = self.api.alive[number]
        self.api.alive[number] = replace(node, labels=labels)


@pytest.fixture
def cluster() -> ClusterStub:
    """Two workers of the group cpu, none of the group gpu."""
    made = ClusterStub()
    made.add(2, "cpu")
    made.add(3, "cpu")
    return made


def test_each_group_has_a_check(cluster: ClusterStub) -> None:
    checked: Any = cluster

    assert list(group_checks(checked)) == [
        "group cpu has its workers",
        "group gpu has its workers",
        "every worker is of a group",
        "a task runs in each group",
    ]


def test_a_group_with_its_minimum_passes_and_an_empty_one_is_not_called_well(
    cluster: ClusterStub,
) -> None:
    assert cluster.group("cpu") == Verdict(True, "2 alive of 2 to 5")
    assert cluster.group("gpu") == Verdict(True, "no worker now, 0 to 8")


def test_workers_of_one_group_do_not_count_for_another(cluster: ClusterStub) -> None:
    cluster.found[1] = replace(cluster.found[1], group="gpu")

    assert cluster.group("cpu") == Verdict(False, "1 alive of 2 to 5")


def test_a_worker_that_runs_and_never_joins_is_a_fault_after_its_time(cluster: ClusterStub) -> None:
    cluster.add(4, "gpu", joined=False)

    assert cluster.group("gpu") == Verdict(True, "0 alive of 0 to 8")
    cluster.now = NOW + cluster.environment.limits.workers_ready_seconds
    assert cluster.group("gpu") == Verdict(
        False, "0 alive of 0 to 8; i-4 at 10.77.0.4 runs and has not joined Ray"
    )


def test_a_label_that_ray_does_not_show_names_the_node(cluster: ClusterStub) -> None:
    cluster.relabel(1, {"ray.io/node-group": "cpu"})

    assert cluster.group("cpu") == Verdict(
        False,
        "2 alive of 2 to 5; i-3 at 10.77.0.3: label team missing in Ray, ads promised",
    )


def test_many_faults_are_counted(cluster: ClusterStub) -> None:
    for number in range(4, 9):
        cluster.add(number, "cpu", type="m5.large")

    seen = cluster.group("cpu").seen
    assert seen.count("instance type m5.large, not m6i.large") == 3
    assert seen.endswith("; and 2 more")


def test_while_a_release_is_rolled_out_other_versions_are_not_compared(
    cluster: ClusterStub,
) -> None:
    cluster.found[1] = replace(cluster.found[1], content="before", ami_id="ami-before")
    assert cluster.group("cpu") == Verdict(
        False, "2 alive of 2 to 5; i-3 at 10.77.0.3: image ami-before, not ami-worker"
    )

    cluster.rolls_out = True

    assert cluster.group("cpu") == Verdict(True, "2 alive of 2 to 5; 1 of another version")


def test_a_node_of_no_instance_and_a_worker_of_no_group_are_faults(cluster: ClusterStub) -> None:
    assert cluster.look("every worker is of a group") == Verdict(True, "2 workers")
    cluster.add(4, "old")
    cluster.api.alive.append(RayNode("n9", "10.77.9.9", False, "ALIVE"))

    assert cluster.look("every worker is of a group") == Verdict(
        False, "the node at 10.77.9.9 is no instance of this cluster; i-4 at 10.77.0.4 is of old"
    )
    cluster.rolls_out = True
    cluster.api.alive.pop()
    assert cluster.look("every worker is of a group").passed


def test_a_worker_that_shuts_down_counts_for_no_group_and_is_no_stranger(
    cluster: ClusterStub,
) -> None:
    cluster.found[1] = replace(cluster.found[1], state="shutting-down")

    assert cluster.group("cpu") == Verdict(False, "1 alive of 2 to 5")
    assert cluster.look("every worker is of a group").passed
    cluster.found[0] = replace(cluster.found[0], state="shutting-down")
    assert cluster.look("a task runs in each group").seen.startswith("cpu: no worker now")


def test_a_task_runs_in_each_group_that_has_a_worker(cluster: ClusterStub) -> None:
    verdict = cluster.look("a task runs in each group")

    assert verdict == Verdict(True, "cpu: 10.77.0.2; gpu: no worker now")
    (entrypoint,) = cluster.api.submitted
    assert entrypoint.endswith(" 60 cpu")


def test_a_task_that_ran_elsewhere_or_nowhere_is_a_fault(cluster: ClusterStub) -> None:
    cluster.add(4, "gpu")
    cluster.api.ran = {"cpu": "10.77.0.4"}

    verdict = cluster.look("a task runs in each group")

    assert verdict == Verdict(False, "cpu: 10.77.0.4; gpu: nowhere; not in cpu, gpu")


def test_without_any_worker_no_task_is_submitted() -> None:
    empty = ClusterStub()

    assert empty.look("a task runs in each group").seen == "cpu: no worker now; gpu: no worker now"
    assert empty.api.submitted == []


def test_where_no_release_is_served_each_group_of_the_file_says_so(
    cluster: ClusterStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ClusterStub) -> Release:
        raise PipelineError("dev is not deployed")

    monkeypatch.setattr(ClusterStub, "release", property(fail))

    with pytest.raises(PipelineError, match="dev is not deployed"):
        cluster.group("gpu")
