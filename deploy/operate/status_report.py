"""The status of a cluster, as tables or as data. Pure: made from a snapshot, no AWS."""

from dataclasses import asdict, dataclass
from typing import Any

from common.environment import Environment
from deploy.cluster.alarms import Alarm
from deploy.cluster.autoscaler_health import AutoscalerHealth, RefusedLaunch
from deploy.cluster.instances import Instance
from deploy.cluster.state import ClusterState
from deploy.operate.group_status import GroupStatus, group_statuses, strangers
from deploy.operate.pause import left_running
from deploy.release.config_bucket import rotation_folder

NO_STANDBY = "no head stands by to take over from the leader: docs/runbooks/no-standby.md"


@dataclass(frozen=True)
class Section:
    """A table: its title, its columns, its rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class StatusReport:
    """The main facts, and the problems as text; healthy means no problems."""

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
    # The deploy in progress (who and what), and a rollout that was left unfinished; or empty.
    deployer: str = ""
    unfinished: str = ""
    # The last remediation, or why none was done; empty when there was none, or it is off.
    remediation: str = ""
    # Whether Ray's autoscaler works, in words; and what EC2 refused to launch, by worker group.
    autoscaler: str = ""
    refused: tuple[dict[str, str], ...] = ()
    groups: tuple[GroupStatus, ...] = ()
    paused: bool = False

    @property
    def is_healthy(self) -> bool:
        """There are no problems."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {**asdict(self), "healthy": self.is_healthy}

    def sections(self) -> tuple[Section, ...]:
        """Return the report as tables."""
        return (
            self._summary(),
            _table("Heads", self.heads),
            _table("Groups", tuple(group.row for group in self.groups)),
            _table("Workers", self.workers),
            *((_table("Refused launches", self.refused),) if self.refused else ()),
            Section("Load balancer", ("target group", "instance", "health"), self._target_rows()),
            Section("Alarms", ("alarm", "state"), tuple(sorted(self.alarms.items()))),
        )

    def _summary(self) -> Section:
        rows = (
            ("endpoint", self.endpoint),
            ("release", self.release or "none yet"),
            ("leader", f"{self.leader} (epoch {self.epoch})" if self.leader else "none"),
            ("autoscaler", self.autoscaler or "not known"),
            ("stack", self.stack or "not deployed"),
            ("deploy in progress", self._deploy_in_progress()),
            *((("remediation", self.remediation),) if self.remediation else ()),
            ("health", self._health()),
        )
        return Section(self.environment, ("", ""), rows)

    def _health(self) -> str:
        if self.problems:
            return "; ".join(self.problems)
        if self.paused:
            return f"paused; `invoke resume --env {self.environment}` starts it again"
        return "healthy"

    def _deploy_in_progress(self) -> str:
        if self.deployer:
            return self.deployer
        if self.unfinished:
            return (
                f"none; left unfinished: {self.unfinished}; "
                "`invoke deploy` continues it, `invoke rollback` restores the previous release"
            )
        return "none"

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
    missing: tuple[str, ...] = (),
    deployer: str = "",
    unfinished: str = "",
    remediation: str = "",
    autoscaler: AutoscalerHealth | str = "",
    removed: tuple[str, ...] = (),
    stands_by: bool | None = None,
) -> StatusReport:
    """Return the report of a snapshot, its alarms, and the deploy in progress.

    ``missing`` says what the release that is served needs and does not find any more,
    ``autoscaler`` what is known of it, or why that is not known, ``removed`` which groups it only
    drains, ``stands_by`` whether a head would take over; None: none needs to, or it is not known.
    """
    refused = autoscaler.refused if isinstance(autoscaler, AutoscalerHealth) else ()
    return StatusReport(
        environment=environment.name,
        release=state.release.id if state.release else "",
        stack=state.stack_status,
        endpoint=environment.head_dns,
        leader=state.leader.id if state.leader else "",
        epoch=state.lease.epoch if state.lease else 0,
        heads=tuple(_row(i) | {"group": _group_state(state, i)} for i in state.heads),
        workers=tuple({"group": i.group} | _row(i) | {"market": i.market} for i in state.workers),
        targets={targets.name: dict(targets.health) for targets in state.targets},
        alarms={alarm.name: alarm.state for alarm in alarms},
        problems=(
            *problems(environment, state, alarms, removed),
            *missing,
            *((NO_STANDBY,) if stands_by is False else ()),
            *autoscaler_problems(autoscaler),
        ),
        deployer=deployer,
        unfinished=unfinished,
        remediation=remediation,
        autoscaler=str(autoscaler),
        refused=_refused(refused),
        groups=group_statuses(environment, state, refused, removed),
        paused=bool(state.foundation and state.foundation.is_paused),
    )


def problems(
    environment: Environment,
    state: ClusterState,
    alarms: tuple[Alarm, ...],
    removed: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Return the cluster's problems as text; empty when it is healthy, or paused."""
    if state.foundation is None:
        return (f"the stack is {state.stack_status or 'not deployed'}",)
    if state.foundation.is_paused:
        return left_running(state)
    found = []
    serving = len(state.group.serving) if state.group else 0
    if serving < 1 + environment.head.standby:
        found.append(f"{serving} of {1 + environment.head.standby} heads in service")
    if state.leader is None:
        found.append("no leader")
    elif not state.is_reachable:
        found.append("the load balancer does not reach the leader")
    groups = group_statuses(environment, state, removed=removed)
    found += [words for group in groups for words in group.problems]
    found += strangers(state, removed)
    found += [f"alarm {alarm.name}" for alarm in alarms if alarm.state == "ALARM"]
    if state.release is None:
        found.append("no deploy has finished yet")
    if any(key.startswith(f"{rotation_folder(environment.name)}/") for key in state.keys):
        found.append("a rotation of the token is not finished: invoke token.rotate continues it")
    return tuple(found)


def autoscaler_problems(autoscaler: AutoscalerHealth | str) -> tuple[str, ...]:
    """Return what is wrong with the autoscaler as text; that it is not known is no problem.

    Then the alarm says so: the guard also sends what it knows as a metric.
    """
    if isinstance(autoscaler, str):
        return ()
    idle = () if autoscaler.working else (f"the autoscaler is {autoscaler}",)
    return idle + tuple(
        f"EC2 refuses to launch {one}" for one in autoscaler.refused if one.is_recent
    )


def _refused(launches: tuple[RefusedLaunch, ...]) -> tuple[dict[str, str], ...]:
    return tuple(
        {
            "group": one.group,
            "type": one.instance_type,
            "market": one.market,
            "ago": f"{one.seconds_ago:.0f} s",
            "why": f"{one.code}: {one.message}",
            "next": one.next or "-",
        }
        for one in launches
    )


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
