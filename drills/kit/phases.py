"""Compute the phases of a recovery from the observations of a cluster. Pure: no AWS, no clock.

Each reading carries the time at which its answer arrived, so a phase is never reported before a
client could have known of it.
"""

from dataclasses import dataclass, field
from enum import Enum

from drills.kit.client import JobAttempt

# These names are keys in the record of drills; WORDS has other words for people where needed.
LEASE_FREE = "lease let go"
LEASE_TAKEN = "lease taken"
RAY_ANSWERS = "Ray answers"
LOSS_SEEN = "loss seen"
WORKERS_BACK = "workers back"
JOB_ACCEPTED = "first job taken"
WORDS = {
    LEASE_FREE: "lease free",
    JOB_ACCEPTED: "first job accepted",
    "whole again": "healthy again",
}
NO_HEAD: frozenset[str] = frozenset()


def label(name: str) -> str:
    """Return the words that name a phase, or another figure of the record, to a person."""
    return WORDS.get(name, name)


class Recovery(Enum):
    """What a cluster must recover from an outage: its phases, in order."""

    HEAD = (LEASE_FREE, LEASE_TAKEN, RAY_ANSWERS, WORKERS_BACK, JOB_ACCEPTED)
    WORKERS = (LOSS_SEEN, WORKERS_BACK)
    NONE = ()


@dataclass(frozen=True)
class LeaseReading:
    """The head lease at a moment (``at``, seconds since the epoch)."""

    at: float
    holder: str
    address: str
    epoch: int
    released: bool


@dataclass(frozen=True)
class NodesReading:
    """Ray's alive nodes at a moment: heads by address, workers by node id.

    A worker that restarts Ray gets a new node id.
    """

    at: float
    heads: frozenset[str]
    workers: frozenset[str]

    def has_head(self, excluded: frozenset[str] = NO_HEAD) -> bool:
        """Return whether Ray has a head, and none of the excluded ones."""
        return bool(self.heads) and not self.heads & excluded

    def is_complete(self, workers: int, excluded: frozenset[str] = NO_HEAD) -> bool:
        """Return whether Ray has a head, none of the excluded ones, and that many workers."""
        return self.has_head(excluded) and len(self.workers) >= workers


@dataclass
class Observations:
    """All readings and attempts; a slow one comes after others that began later."""

    leases: list[LeaseReading] = field(default_factory=list)
    nodes: list[NodesReading] = field(default_factory=list)
    attempts: list[JobAttempt] = field(default_factory=list)


@dataclass(frozen=True)
class InitialState:
    """The healthy cluster before the fault: the lease's epoch, its instances, its Ray nodes.

    ``workers`` maps instance id to address; ``nodes`` are the workers' node ids.
    """

    epoch: int
    leader: str
    heads: tuple[str, ...]
    workers: dict[str, str]
    nodes: frozenset[str]


def phases(
    recovery: Recovery, initial: InitialState, fault_at: float, seen: Observations
) -> dict[str, float]:
    """Return the phases that were reached, in seconds since ``fault_at``."""
    leases = sorted((one for one in list(seen.leases) if one.at >= fault_at), key=_moment)
    nodes = sorted((one for one in list(seen.nodes) if one.at >= fault_at), key=_moment)
    found: dict[str, float] = {}
    if recovery is Recovery.HEAD:
        found = _head(initial, leases, nodes, list(seen.attempts))
    elif recovery is Recovery.WORKERS:
        found = _workers(initial, nodes)
    return {name: found[name] - fault_at for name in recovery.value if name in found}


def _moment(reading: LeaseReading | NodesReading) -> float:
    return reading.at


def _head(
    initial: InitialState,
    leases: list[LeaseReading],
    nodes: list[NodesReading],
    attempts: list[JobAttempt],
) -> dict[str, float]:
    found: dict[str, float] = {}
    address = ""
    for lease in leases:
        if lease.released or lease.epoch > initial.epoch:
            found.setdefault(LEASE_FREE, lease.at)
        if not lease.released and lease.epoch > initial.epoch:
            found.setdefault(LEASE_TAKEN, lease.at)
            address = lease.address  # the last one counts: a head may die before its Ray starts
    if not address:
        return found
    taken = found[LEASE_TAKEN]
    for reading in (one for one in nodes if one.at > taken and address in one.heads):
        found.setdefault(RAY_ANSWERS, reading.at)
        if len(reading.workers) >= len(initial.nodes):
            found.setdefault(WORKERS_BACK, reading.at)
    accepted = [one.ended for one in attempts if one.accepted and one.ended > taken]
    return found | ({JOB_ACCEPTED: min(accepted)} if accepted else {})


def _workers(initial: InitialState, nodes: list[NodesReading]) -> dict[str, float]:
    found: dict[str, float] = {}
    for reading in nodes:
        if not initial.nodes <= reading.workers:
            found.setdefault(LOSS_SEEN, reading.at)
        if LOSS_SEEN in found and len(reading.workers) >= len(initial.nodes):
            found.setdefault(WORKERS_BACK, reading.at)
    return found
