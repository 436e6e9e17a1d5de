"""How many instances of a bake may run at once: as the account's vCPU quotas allow. Reads AWS.

An image has one instance at a time, first the one that builds it, then the one that tests it. What
other instances of the account use is read once, at the beginning.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Condition
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from bake.cancellation import Cancellation
from bake.wanted import WantedImage
from common.clients import Clients, translated
from common.errors import Refused
from common.instance_types import TypeFacts, type_facts
from common.quotas import quota_limit, quota_of

# Threads and Packer processes on the operator's machine, whatever the account allows.
AT_ONCE = 8
LOOK_SECONDS = 0.5  # between looks whether the bake is cancelled


class Turns:
    """Gives each image its turn. ``free``: vCPUs by quota; a quota that is absent is no limit."""

    def __init__(
        self, types: Mapping[WantedImage, TypeFacts], free: Mapping[str, float], most: int = AT_ONCE
    ) -> None:
        self._types, self._free = types, dict(free)
        self._left = most
        self._changed = Condition()
        for image, kind in types.items():
            left = self._free.get(quota_of(kind.name), kind.vcpus)
            if left < kind.vcpus:
                raise Refused(
                    f"{image}: a build instance {kind.name} needs {kind.vcpus} vCPUs, "
                    f"and the account's quota leaves {max(left, 0):.0f}",
                    hint="terminate instances, or request a higher quota "
                    f"(Service Quotas, ec2, {quota_of(kind.name)})",
                )

    @contextmanager
    def turn(
        self, image: WantedImage, cancellation: Cancellation, progress: Callable[[str], None]
    ) -> Iterator[None]:
        """Wait until an instance for that image may run, and count it meanwhile."""
        kind = self._types[image]
        quota = quota_of(kind.name)
        with self._changed:
            while not self._fits(kind, quota):
                cancellation.check()
                progress(f"waits for its turn: {kind.vcpus} vCPUs of the account's quota")
                self._changed.wait(LOOK_SECONDS)
            self._count(quota, -kind.vcpus)
        try:
            yield
        finally:
            with self._changed:
                self._count(quota, kind.vcpus)
                self._changed.notify_all()

    def _fits(self, kind: TypeFacts, quota: str) -> bool:
        return self._left > 0 and self._free.get(quota, kind.vcpus) >= kind.vcpus

    def _count(self, quota: str, vcpus: int) -> None:
        self._left += 1 if vcpus > 0 else -1
        if quota in self._free:
            self._free[quota] += vcpus


def turns_for(
    clients: Clients, types: Mapping[WantedImage, str], progress: Callable[[str], None]
) -> Turns:
    """Return the turns of images by the types of their build instances.

    Raises Refused when the account could not run one of them. Where its quotas cannot be read, they
    limit nothing: EC2 itself refuses the instance that is too many.
    """
    running = _running(clients)
    facts = type_facts(clients, [*types.values(), *running])
    quotas = {quota_of(name) for name in types.values()}
    try:
        free = {quota: quota_limit(clients, quota) for quota in quotas}
    except (ClientError, BotoCoreError):
        progress("the account's vCPU quotas could not be read: all images are baked at once")
        free = {}
    for name, count in running.items():
        if quota_of(name) in free:
            free[quota_of(name)] -= facts[name].vcpus * count
    return Turns({image: facts[name] for image, name in types.items()}, free)


def _running(clients: Clients) -> Counter[str]:
    """Return how many on-demand instances of each type count against the quotas.

    Those that are pending or running, as EC2's user guide has it ("On-Demand Instance quotas").
    """
    states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    with translated("counting the account's running instances"):
        pages = clients("ec2").get_paginator("describe_instances").paginate(Filters=states)
        return Counter(name for page in pages for name in _on_demand(page))


def _on_demand(page: dict[str, Any]) -> list[str]:
    return [
        str(instance["InstanceType"])
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
        if instance.get("InstanceLifecycle") != "spot"
    ]
