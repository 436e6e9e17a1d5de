"""The simulation's own parts: a fake that is wrong proves nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from localcloud.driver import Host, Power, Probed
from node.lease.table import DynamoLeaseTable, Refused
from tests.simulation.driver import SimulatedDriver
from tests.simulation.machine import Machine
from tests.simulation.network import Network, NobodyListens, Silence
from tests.simulation.node_aws import LeaseClient, client
from tests.simulation.ray import HeadRay, Rays, TwoHeads
from tests.simulation.service import Rules, Service
from tests.simulation.settings import Settings
from tests.simulation.timeline import Timeline
from tests.simulation.worker_ray import WorkerRay
from tests.unit.simulation.conftest import Cluster


def dev() -> dict[str, Any]:
    """Return the autoscaler's YAML of the cluster that these tests start."""
    return {"cluster_name": "dev"}


class Process:
    """A process that does nothing."""

    def __init__(self) -> None:
        self.dead = False

    def stop(self) -> None:
        """End in order."""

    def kill(self) -> None:
        """End at once."""
        self.dead = True


@pytest.fixture
def clock() -> Timeline:
    """Return a clock that nothing is planned on."""
    return Timeline()


@pytest.fixture
def network() -> Network:
    """Return a network without machines."""
    return Network()


@pytest.fixture
def driver(clock: Timeline, network: Network, tmp_path: Path) -> SimulatedDriver:
    """Return a driver whose machines listen on port 80 alone."""

    def listen(machine: Machine, port: int, path: str | None) -> Probed:
        if port != 80:
            raise NobodyListens(str(port))
        return Probed(connected=True, status=200)

    return SimulatedDriver(
        clock,
        Settings(),
        tmp_path,
        network,
        booted=lambda machine: None,
        listen=listen,
        command=lambda machine, script: pytest.fail("no command was sent"),
    )


def booted(driver: SimulatedDriver, clock: Timeline, number: int) -> Machine:
    """Return a machine that is up."""
    host = Host(f"i-{number}", "ami-1", f"10.0.0.{number}", "02:00:00:00:00:00", 2, 8192)
    driver.launch(host)
    clock.sleep(driver.settings.boot)
    return driver.machines[host.instance_id]


def test_events_happen_in_order_and_at_their_time(clock: Timeline) -> None:
    seen: list[tuple[str, float]] = []
    began = clock.now()

    def note(name: str) -> None:
        seen.append((name, clock.now() - began))

    clock.after(2, lambda: note("second"))
    clock.after(1, lambda: note("first"))
    clock.after(2, lambda: note("third"))
    cancelled = clock.after(1.5, lambda: note("never"))
    cancelled.cancel()
    clock.sleep(5)

    assert seen == [("first", 1.0), ("second", 2.0), ("third", 2.0)]
    assert clock.now() - began == 5


def test_an_event_may_not_wait(clock: Timeline) -> None:
    clock.after(1, lambda: clock.sleep(1))

    with pytest.raises(RuntimeError, match="may not wait"):
        clock.sleep(2)


def test_a_wait_that_fails_says_what_it_waited_for(clock: Timeline) -> None:
    with pytest.raises(AssertionError, match="not within 3 s: rain"):
        clock.until(lambda: False, 3, "rain")


def test_a_machine_without_power_does_nothing(driver: SimulatedDriver, clock: Timeline) -> None:
    machine, done = booted(driver, clock, 1), list[str]()
    machine.after(5, lambda: done.append("work"))

    driver.pull_plug("i-1")
    clock.sleep(10)

    assert done == []
    assert driver.power("i-1") is Power.DOWN


def test_a_destroyed_machine_loses_its_address(
    driver: SimulatedDriver, clock: Timeline, network: Network
) -> None:
    machine = booted(driver, clock, 1)

    driver.destroy("i-1")
    assert driver.power("i-1") is Power.STOPPING
    clock.sleep(driver.settings.power_off)

    assert driver.power("i-1") is Power.GONE
    with pytest.raises(Silence):
        network.reach(None, machine.address, 80)


def test_a_probe_is_refused_at_once_and_silence_takes_until_the_timeout(
    driver: SimulatedDriver, clock: Timeline
) -> None:
    machine = booted(driver, clock, 1)

    def met(port: int, wait: float) -> Probed | None:
        assert driver.probe("10.0.0.9", machine.address, port, "/", 4.0) is None
        clock.sleep(wait)
        return driver.probe("10.0.0.9", machine.address, port, "/", 4.0)

    assert met(80, 0.1) == Probed(connected=True, status=200)
    assert met(81, 0.1) == Probed(connected=False)
    machine.cut_off()
    assert met(80, 3.9) is None
    clock.sleep(0.2)
    assert driver.probe("10.0.0.9", machine.address, 80, "/", 4.0) == Probed(connected=False)


def test_a_service_is_restarted_up_to_its_start_limit(
    driver: SimulatedDriver, clock: Timeline
) -> None:
    failures, processes = list[str](), list[Process]()

    def make(service: Service) -> Process:
        processes.append(Process())
        return processes[-1]

    machine = booted(driver, clock, 1)
    service = Service(machine, Rules(1.0, 3, 60.0), make, lambda: failures.append("failed"))
    service.start()
    for _ in range(3):
        assert failures == []
        service.ended(1)
        clock.sleep(2)

    assert failures == ["failed"]
    assert len(processes) == 3
    assert all(process.dead for process in processes)


def test_a_service_that_does_not_feed_its_watchdog_is_killed(
    driver: SimulatedDriver, clock: Timeline
) -> None:
    rules = Rules(1.0, 9, 60.0, start_timeout=30.0, watchdog=5.0)
    service = Service(
        booted(driver, clock, 1), rules, lambda made: Process(), lambda: pytest.fail("no failure")
    )
    service.start()
    service.ready()
    for _ in range(3):
        clock.sleep(4)
        service.feed()
    assert service.restarts == 0

    clock.sleep(5)

    assert service.restarts == 0
    assert service.process is None
    clock.sleep(1)
    assert service.restarts == 1


def test_two_heads_of_one_cluster_are_an_error_and_of_two_clusters_none(
    driver: SimulatedDriver, clock: Timeline, network: Network
) -> None:
    rays = Rays(network)
    one, two = booted(driver, clock, 1), booted(driver, clock, 2)
    first = rays.start(one, "secret", dev)

    rays.start(two, "secret", lambda: {"cluster_name": "other"})
    with pytest.raises(TwoHeads):
        rays.start(two, "secret", dev)
    rays.end(first)

    assert rays.start(two, "secret", dev).runs


def test_a_raylet_ends_when_its_head_stays_unreachable(
    driver: SimulatedDriver, clock: Timeline, network: Network
) -> None:
    rays, ended = Rays(network), list[float]()
    head, machine = booted(driver, clock, 1), booted(driver, clock, 2)
    life = rays.start(head, "secret", dev)
    worker = WorkerRay(
        rays,
        machine,
        resolve=lambda: head.address,
        token="secret",
        ended=lambda: ended.append(clock.now()),
    )
    clock.sleep(10)
    assert worker.raylet is not None
    assert rays.worker_count("dev") == 1

    lost = clock.now()
    rays.end(life)
    clock.sleep(60)

    assert [round(at - lost) for at in ended] == [driver.settings.reconnect]


def test_a_raylet_that_finds_another_gcs_under_the_name_ends_sooner(
    driver: SimulatedDriver, clock: Timeline, network: Network
) -> None:
    rays, ended = Rays(network), list[float]()
    head, machine = booted(driver, clock, 1), booted(driver, clock, 2)
    life = rays.start(head, "secret", dev)
    WorkerRay(
        rays,
        machine,
        resolve=lambda: head.address,
        token="secret",
        ended=lambda: ended.append(clock.now()),
    )
    clock.sleep(10)

    lost = clock.now()
    rays.end(life)
    rays.start(head, "secret", dev)
    clock.sleep(60)

    assert len(ended) == 1
    assert 3 < ended[0] - lost < 8


@dataclass
class Joining:
    """A head, and a worker that starts Ray beside it."""

    rays: Rays
    life: HeadRay
    worker: WorkerRay
    ended: list[float]


Join = Callable[..., Joining]


@pytest.fixture
def join(driver: SimulatedDriver, clock: Timeline, network: Network) -> Join:
    """Start a head and a worker, each of some version of Ray, and let time pass."""

    def joining(head_version: str = "2.60.0", version: str = "2.60.0") -> Joining:
        rays, ended = Rays(network), list[float]()
        head, machine = booted(driver, clock, 1), booted(driver, clock, 2)
        head.ray_version, machine.ray_version = head_version, version
        life = rays.start(head, "secret", dev)
        worker = WorkerRay(
            rays,
            machine,
            resolve=lambda: head.address,
            token="secret",
            ended=lambda: ended.append(clock.now()),
        )
        clock.sleep(10)
        return Joining(rays, life, worker, ended)

    return joining


def test_a_raylet_of_another_version_than_its_heads_cannot_join(join: Join) -> None:
    joining = join("2.61.0", "2.60.0")

    assert joining.worker.raylet is None
    assert len(joining.ended) == 1
    assert joining.rays.worker_count("dev") == 0


def test_an_idle_drained_raylet_leaves_and_its_process_runs_on(join: Join, clock: Timeline) -> None:
    joining = join()
    assert joining.worker.raylet is not None

    joining.life.drain(joining.worker.raylet.node_id)
    assert joining.life.draining == {"i-2"}
    clock.sleep(60)

    assert joining.worker.raylet is None
    assert joining.life.lost == {"i-2"}
    assert joining.ended == []


def test_a_busy_drained_raylet_leaves_after_its_work(join: Join, clock: Timeline) -> None:
    joining = join()
    assert joining.worker.raylet is not None
    joining.worker.raylet.busy_until = clock.now() + 100

    joining.life.drain(joining.worker.raylet.node_id)
    clock.sleep(99)
    assert joining.rays.worker_count("dev") == 1
    clock.sleep(5)

    assert joining.rays.worker_count("dev") == 0


def test_an_unknown_node_counts_as_drained(join: Join) -> None:
    joining = join()

    joining.life.drain(bytes(28))

    assert joining.rays.worker_count("dev") == 1
    assert joining.life.draining == set()


def test_a_lease_renewed_in_the_store_looks_as_if_renewed_by_the_api(single: Cluster) -> None:
    name, cluster = single.environment.lease_table, single.name
    direct = DynamoLeaseTable(LeaseClient(single.leader()), name, cluster)
    through = DynamoLeaseTable(client("dynamodb"), name, cluster)
    seen = direct.read()
    assert seen is not None
    assert seen == through.read()

    for table in (direct, through):
        with pytest.raises(Refused):
            table.renew(seen.epoch, "i-another", seen.autoscaler, "")
        with pytest.raises(Refused):
            table.renew(seen.epoch - 1, seen.holder, seen.autoscaler, "")
    for beats, table in enumerate((direct, through), start=seen.beat + 1):
        renewed = table.renew(seen.epoch, seen.holder, seen.autoscaler, "")
        assert renewed == replace(seen, beat=beats) == through.read()
