"""What a cluster is like, for a person or a program. Pure: it looks at a snapshot alone."""

from dataclasses import asdict, dataclass
from typing import Any

from common.environment import Environment
from deploy.cluster.state import Alarm, ClusterState, Instance


@dataclass(frozen=True)
class Section:
    """A table: its title, its columns, its rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class StatusReport:
    """The facts that matter, and what is wrong in words; nothing wrong is healthy."""

    environment: str
    release: str
    stack: str
    endpoint: str
    leader: str
    epoch: int
    heads: tuple[dict[str, str], ...]
    workers: tuple[dict[str, str], ...]
    targets: dict[str, dict[str, str]]
    alarms: dict[str, str]
    problems: tuple[str, ...]
    # Who holds the deploy lock and what for, and a rollout that nobody finishes; else empty.
    deployer: str = ""
    unfinished: str = ""
    # What an alarm had done last, or why it did nothing; empty where none rang, or none may.
    remediation: str = ""

    @property
    def is_healthy(self) -> bool:
        """Nothing is wrong."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {**asdict(self), "healthy": self.is_healthy}

    def sections(self) -> tuple[Section, ...]:
        """Return the report as tables."""
        return (
            self._summary(),
            _table("Heads", self.heads),
            _table("Workers", self.workers),
            Section("Load balancer", ("target group", "instance", "health"), self._target_rows()),
            Section("Alarms", ("alarm", "state"), tuple(sorted(self.alarms.items()))),
        )

    def _summary(self) -> Section:
        rows = (
            ("endpoint", self.endpoint),
            ("release", self.release or "none yet"),
            ("leader", f"{self.leader} (epoch {self.epoch})" if self.leader else "nobody"),
            ("stack", self.stack or "not there"),
            ("at work", self._at_work()),
            *((("remediation", self.remediation),) if self.remediation else ()),
            ("health", "well" if self.is_healthy else "; ".join(self.problems)),
        )
        return Section(self.environment, ("", ""), rows)

    def _at_work(self) -> str:
        if self.deployer:
            return self.deployer
        if self.unfinished:
            return (
                f"nobody; left unfinished: {self.unfinished}; "
                "`invoke deploy` goes on from there, `invoke rollback` goes back"
            )
        return "nobody"

    def _target_rows(self) -> tuple[tuple[str, ...], ...]:
        return tuple(
            (group, instance, health)
            for group, members in self.targets.items()
            for instance, health in (members or {"-": "no target"}).items()
        )


def status_report(
    environment: Environment,
    state: ClusterState,
    alarms: tuple[Alarm, ...],
    *,
    deployer: str = "",
    unfinished: str = "",
    remediation: str = "",
) -> StatusReport:
    """Return the report of a snapshot, the alarms beside it, and who changes it."""
    return StatusReport(
        environment=environment.name,
        release=state.release.id if state.release else "",
        stack=state.stack_status,
        endpoint=environment.head_dns,
        leader=state.leader.id if state.leader else "",
        epoch=state.lease.epoch if state.lease else 0,
        heads=tuple(_row(i) | {"group": _group_state(state, i)} for i in state.heads),
        workers=tuple(_row(i) for i in state.workers),
        targets={targets.name: dict(targets.health) for targets in state.targets},
        alarms={alarm.name: alarm.state for alarm in alarms},
        problems=problems(environment, state, alarms),
        deployer=deployer,
        unfinished=unfinished,
        remediation=remediation,
    )


def problems(
    environment: Environment, state: ClusterState, alarms: tuple[Alarm, ...]
) -> tuple[str, ...]:
    """Say what is wrong with the cluster; empty when it is well."""
    if state.foundation is None:
        return (f"the stack is {state.stack_status or 'not there'}",)
    found = []
    serving = len(state.group.serving) if state.group else 0
    if serving < 1 + environment.head.standby:
        found.append(f"{serving} of {1 + environment.head.standby} heads in service")
    if state.leader is None:
        found.append("nobody leads")
    elif not state.is_reachable:
        found.append("the load balancer does not reach the leader")
    running = sum(worker.state == "running" for worker in state.workers)
    if running < environment.workers.min:
        found.append(f"{running} of at least {environment.workers.min} workers")
    found += [f"alarm {alarm.name}" for alarm in alarms if alarm.state == "ALARM"]
    if state.release is None:
        found.append("no deploy has finished yet")
    return tuple(found)


def _row(instance: Instance) -> dict[str, str]:
    facts = asdict(instance)
    return {key: str(facts[key]) for key in ("id", "state", "type", "address", "zone")} | {
        "image": instance.ami_id,
        "content": instance.content,
        "launched": instance.launched,
    }


def _group_state(state: ClusterState, instance: Instance) -> str:
    members = state.group.members if state.group else ()
    return next((m.state for m in members if m.instance_id == instance.id), "not in the group")


def _table(title: str, rows: tuple[dict[str, str], ...]) -> Section:
    columns = tuple(rows[0]) if rows else ("none",)
    return Section(title, columns, tuple(tuple(row.values()) for row in rows))
