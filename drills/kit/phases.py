"""How a cluster came back, phase by phase, from what was seen of it all along. Pure.

Every look carries the moment at which its answer arrived, so that a phase is never told earlier
than a client could have known of it.
"""

from dataclasses import dataclass, field
from enum import Enum

from drills.kit.client import Sample

LET_GO = "lease let go"
TAKEN = "lease taken"
ANSWERS = "Ray answers"
LOST = "loss seen"
BACK = "workers back"
JOB = "first job taken"
NOBODY: frozenset[str] = frozenset()


class Recovery(Enum):
    """What a cluster has to do about an outage; its phases, in order."""

    HEAD = (LET_GO, TAKEN, ANSWERS, BACK, JOB)
    WORKERS = (LOST, BACK)
    NOTHING = ()


@dataclass(frozen=True)
class LeaseLook:
    """The head lease at a moment."""

    at: float
    holder: str
    address: str
    epoch: int
    released: bool


@dataclass(frozen=True)
class NodesLook:
    """Ray's living nodes at a moment: heads by address, workers by the id of each life."""

    at: float
    heads: frozenset[str]
    workers: frozenset[str]

    def has_head(self, but: frozenset[str] = NOBODY) -> bool:
        """Say whether Ray has a head, and none of those."""
        return bool(self.heads) and not self.heads & but

    def is_whole(self, workers: int, but: frozenset[str] = NOBODY) -> bool:
        """Say whether Ray has a head, none of those, and so many workers."""
        return self.has_head(but) and len(self.workers) >= workers


@dataclass
class Seen:
    """Everything that was seen; a look that took long comes after younger ones."""

    leases: list[LeaseLook] = field(default_factory=list)
    nodes: list[NodesLook] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


@dataclass(frozen=True)
class Before:
    """The cluster when it was whole: its lease's epoch, its instances, its workers' node ids.

    ``workers`` are addresses by instance.
    """

    epoch: int
    leader: str
    heads: tuple[str, ...]
    workers: dict[str, str]
    nodes: frozenset[str]


def phases(recovery: Recovery, before: Before, began: float, seen: Seen) -> dict[str, float]:
    """Return the phases that were reached, in seconds since ``began``."""
    leases = sorted((look for look in list(seen.leases) if look.at >= began), key=_moment)
    nodes = sorted((look for look in list(seen.nodes) if look.at >= began), key=_moment)
    found: dict[str, float] = {}
    if recovery is Recovery.HEAD:
        found = _head(before, leases, nodes, list(seen.samples))
    elif recovery is Recovery.WORKERS:
        found = _workers(before, nodes)
    return {name: found[name] - began for name in recovery.value if name in found}


def _moment(look: LeaseLook | NodesLook) -> float:
    return look.at


def _head(
    before: Before, leases: list[LeaseLook], nodes: list[NodesLook], samples: list[Sample]
) -> dict[str, float]:
    found: dict[str, float] = {}
    address = ""
    for look in leases:
        if look.released or look.epoch > before.epoch:
            found.setdefault(LET_GO, look.at)
        if not look.released and look.epoch > before.epoch:
            found.setdefault(TAKEN, look.at)
            address = look.address  # the last one counts: a head may die before its Ray is up
    if not address:
        return found
    for seen in (look for look in nodes if look.at > found[TAKEN] and address in look.heads):
        found.setdefault(ANSWERS, seen.at)
        if len(seen.workers) >= len(before.nodes):
            found.setdefault(BACK, seen.at)
    jobs = [sample.ended for sample in samples if sample.taken and sample.ended > found[TAKEN]]
    return found | ({JOB: min(jobs)} if jobs else {})


def _workers(before: Before, nodes: list[NodesLook]) -> dict[str, float]:
    found: dict[str, float] = {}
    for look in nodes:
        if not before.nodes <= look.workers:
            found.setdefault(LOST, look.at)
        if LOST in found and len(look.workers) >= len(before.nodes):
            found.setdefault(BACK, look.at)
    return found
