"""One task of ECS on this host: its namespace, its group, its containers, and the end of them all.

A thread takes the task from pull to removal. Follows "Amazon ECS task lifecycle" and, for the order
of containers, ContainerDependency of the ECS API. Reports to localcloud/patches/ecs/runtime.py.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from localcloud.cgroups import ROOT, Group, Limits, is_v2
from localcloud.containers import oci
from localcloud.containers.container import Container, NotStarted
from localcloud.containers.health import HealthCheck
from localcloud.containers.images import CannotPull, ContainerImages, Image
from localcloud.deletion import delete_folder
from localcloud.images import mount_overlay, unmount
from localcloud.network import Network
from localcloud.patches import ecr, iam
from localcloud.patches.ecs import runtime
from localcloud.patches.ecs.runtime import ContainerPlan, TaskPlan
from localcloud.paths import Paths, namespace_path
from localcloud.world import World

PULL = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
DEPENDENCY_SECONDS = 600.0
KILLED = 137
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"

log = logging.getLogger("localcloud.task")


class Failed(Exception):
    """The task cannot be started; the text is its stoppedReason."""


def host_of(task_id: str) -> str:
    """Return the name of a task's host in the VPC's network."""
    return f"task-{task_id[:12]}"


class RunningTask:
    """A task on this host."""

    def __init__(
        self, plan: TaskPlan, world: World, place: Paths, network: Network, images: ContainerImages
    ) -> None:
        self.plan = plan
        self.containers: dict[str, Container] = {}
        self._world, self._place = world, place
        self._network, self._images = network, images
        self._folder = place.tasks / plan.task_id
        self._host = host_of(plan.task_id)
        self._group = Group(place.name, self._host)
        self._checks: list[HealthCheck] = []
        self._measured: tuple[float, float] | None = None
        self._stopping = threading.Event()
        self.is_gone = threading.Event()

    def usage(self, now: float) -> tuple[float, float] | None:
        """Return what it has used of CPU and memory since the last call, in percent of its size."""
        try:
            seconds, memory = self._group.usage()
        except OSError:  # not there yet, or no longer
            return None
        before, self._measured = self._measured, (now, seconds)
        if before is None or now <= before[0]:
            return None
        cpu = (seconds - before[1]) / (now - before[0]) / self.plan.cpus
        return cpu * 100, memory / (self.plan.memory_mib << 20) * 100

    def begin(self) -> None:
        """Start the task in a thread."""
        threading.Thread(target=self._live, daemon=True).start()

    def stop(self) -> None:
        """Begin to stop it; a second call does nothing."""
        if not self._stopping.is_set():
            self._stopping.set()

    def _live(self) -> None:
        try:
            self._start()
            self._stopping.wait()
        except Failed as error:
            self._report(runtime.failed, self.plan.task_id, str(error))
        except Exception as error:
            log.exception("task %s failed", self.plan.task_id)
            self._report(runtime.failed, self.plan.task_id, f"InternalError: {error}")
        try:
            self._stop_containers()
            self._remove()
        except Exception:
            log.exception("task %s left something behind", self.plan.task_id)
        self.is_gone.set()

    def _report(self, what: Callable[..., None], *facts: object) -> None:
        with self._world.lock:
            what(*facts)

    def _start(self) -> None:
        pulled = {plan.name: self._pull(plan) for plan in self.plan.containers}
        self._folder.mkdir(parents=True)
        self._group.make(Limits(self.plan.cpus, self.plan.memory_mib << 20))
        space = self._network.attach(self._host, [self.plan.address], self.plan.mac)
        self._write_hosts()
        left = list(self.plan.containers)
        deadline = time.monotonic() + DEPENDENCY_SECONDS
        while left and not self._stopping.is_set():
            ready = [plan for plan in left if self._is_free(plan)]
            for plan in ready:
                self._start_container(plan, pulled[plan.name], space)
                left.remove(plan)
            if not ready and (self._stopping.wait(0.1) or time.monotonic() > deadline):
                break
        if left and not self._stopping.is_set():
            raise Failed(f"dependencies of {left[0].name} were not met in time")
        self._report(runtime.running, self.plan.task_id)

    def _pull(self, plan: ContainerPlan) -> Image:
        """Pull an image in the name of the execution role; raises Failed."""
        with self._world.lock:
            repository = runtime.registry_of(plan.image)
            if not repository:
                raise Failed(
                    f"CannotPullContainerError: failed to resolve reference {plan.image}: there "
                    "is only ECR here"
                )
            if not iam.role_may(self.plan.execution_role, ["ecr:GetAuthorizationToken"], "*"):
                raise Failed(
                    "ResourceInitializationError: unable to pull secrets or registry auth: the "
                    "execution role may not call ecr:GetAuthorizationToken"
                )
            if not iam.role_may(self.plan.execution_role, PULL, repository):
                raise Failed(
                    f"CannotPullContainerError: {self.plan.execution_role} is not authorized to "
                    f"perform {' and '.join(PULL)} on resource: {repository}"
                )
            password, _ = ecr.issue(None)
        try:
            return self._images.pull(plan.image, password)
        except CannotPull as error:
            raise Failed(f"CannotPullContainerError: {error}") from error

    def _is_free(self, plan: ContainerPlan) -> bool:
        """Say whether what a container depends on has come about; raises Failed if it cannot."""
        for name, condition in plan.depends_on:
            other = self.containers.get(name)
            if other is None:
                return False
            if condition == "HEALTHY" and not self._is_healthy(name):
                return False
            if condition in ("COMPLETE", "SUCCESS") and not other.ended.is_set():
                return False
            if condition == "SUCCESS" and other.code:
                raise Failed(f"dependency {name} of {plan.name} exited with {other.code}")
        return True

    def _is_healthy(self, name: str) -> bool:
        return any(check.container == name and check.is_healthy for check in self._checks)

    def _write_hosts(self) -> None:
        name = self._hostname
        lines = f"127.0.0.1 localhost\n{self.plan.address} {name}.ec2.internal {name}\n"
        (self._folder / "hosts").write_text(lines)
        (self._folder / "hostname").write_text(f"{name}\n")

    @property
    def _hostname(self) -> str:
        return f"ip-{self.plan.address.replace('.', '-')}"

    def _start_container(self, plan: ContainerPlan, image: Image, space: str) -> None:
        folder = self._folder / plan.name
        for part in ("root", "upper", "work"):
            (folder / part).mkdir(parents=True)
        mount_overlay(image.layers, folder)
        around = oci.Surroundings(
            root=(folder / "root").resolve(),  # runc refuses a root below a link
            network=namespace_path(space),
            group="/" + "/".join((*self._group.parts, f"c-{plan.name}")),
            cpus=self.plan.cpus,
            memory_mib=self.plan.memory_mib,
            hostname=self._hostname,
            files={
                "/etc/resolv.conf": self._place.run / "resolv.conf",
                "/etc/hosts": self._folder / "hosts",
                "/etc/hostname": self._folder / "hostname",
                oci.CA: self._place.ca,
            },
            volumes={name: self._volume(name) for name, _, _ in plan.mounts},
        )
        runc_name = f"{self.plan.task_id[:12]}-{plan.name}"
        state = self._place.run / "runc"
        made = Container(state, folder, runc_name, lambda code: self._exited(plan, code))
        self.containers[plan.name] = made
        try:
            made.start(oci.configuration(plan, image.config, around))
        except (NotStarted, oci.Wrong) as error:
            raise Failed(f"CannotStartContainerError: {plan.name}: {error}") from error
        facts = (self.plan.task_id, plan.name, runc_name, image.digest)
        self._report(runtime.container_started, *facts)
        if plan.health:
            self._check(plan, made)

    def _volume(self, name: str) -> Path:
        folder = self._folder / "volumes" / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)  # a container's user writes into it, whoever that is
        return folder

    def _check(self, plan: ContainerPlan, made: Container) -> None:
        def tell(state: str) -> None:
            self._report(runtime.health, self.plan.task_id, plan.name, state)

        check = HealthCheck(plan.name, plan.health or {}, made, tell)
        self._checks.append(check)
        check.begin()

    def _exited(self, plan: ContainerPlan, code: int) -> None:
        by_itself = code == KILLED and not self._stopping.is_set()
        reason = OUT_OF_MEMORY if by_itself and self._was_out_of_memory() else ""
        self._report(runtime.container_exited, self.plan.task_id, plan.name, code, reason)

    def _was_out_of_memory(self) -> bool:
        """Say whether the task has reached its limit, as far as the kernel tells.

        Version 1 counts kills only in the container's own group, which is gone by now; it counts
        in the task's how often the limit was reached.
        """
        if is_v2():
            words = ROOT.joinpath(*self._group.parts, "memory.events").read_text().split()
            return int(words[words.index("oom_kill") + 1]) > 0
        reached = ROOT.joinpath("memory", *self._group.parts, "memory.failcnt")
        return int(reached.read_text()) > 0

    def _stop_containers(self) -> None:
        """Stop all containers at once, each with its own time-out."""
        seconds = {plan.name: plan.stop_seconds for plan in self.plan.containers}
        stopping = [
            threading.Thread(target=container.stop, args=(seconds[name],), daemon=True)
            for name, container in self.containers.items()
            if not container.ended.is_set()
        ]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()

    def _remove(self) -> None:
        for container in self.containers.values():
            container.remove()
        self._group.kill()
        self._group.remove()
        self._network.detach(self._host)
        for name in self.containers:
            unmount(self._folder / name / "root")
        delete_folder(self._folder)
