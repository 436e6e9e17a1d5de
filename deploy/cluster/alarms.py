"""The alarms of an environment's foundation: their names, and how each is. Reads AWS only."""

from dataclasses import dataclass

from common.clients import Clients, translated
from common.environment import Environment

NO_STANDBY = "no-standby"  # only of an environment that keeps a standby
ALARMS = (
    "head-not-ready",
    "no-leader",
    NO_STANDBY,
    "no-healthy-target",
    "head-launch",
    "autoscaler",
)


@dataclass(frozen=True)
class Alarm:
    """An alarm, its state, and CloudWatch's reason for it."""

    name: str
    state: str
    reason: str


def alarm_names(environment: Environment) -> tuple[str, ...]:
    """Return the names of the foundation's alarms, in the order of the template."""
    names = [name for name in ALARMS if name != NO_STANDBY or environment.head.standby]
    return tuple(f"raykiln-{environment.name}-{name}" for name in names)


def find_alarms(clients: Clients, environment: Environment) -> tuple[Alarm, ...]:
    """Return the environment's alarms, those that exist.

    They are asked for by their names: a prefix would be that of another environment's too, prod's
    of prod-eu's.
    """
    with translated("reading the alarms"):
        answer = clients("cloudwatch").describe_alarms(AlarmNames=list(alarm_names(environment)))
    return tuple(
        Alarm(entry["AlarmName"], entry["StateValue"], entry.get("StateReason", ""))
        for entry in answer["MetricAlarms"]
    )
