"""Carry commands to machines and their answers back, on the world's clock.

Follows "Understanding command statuses" (docs.aws.amazon.com/systems-manager/latest/userguide/
monitor-commands.html). Scripts run through the driver; no AWS.
"""

from dataclasses import dataclass, field
from typing import Any

from moto.ssm.models import ssm_backends

from localcloud.driver import Answer, Power
from localcloud.world import World

TIMED_OUT = (-1, 124, 137)  # exit codes of a script that timed out
ENDED = ("Success", "Failed", "TimedOut", "Cancelled")
NOTHING_YET = Answer(-1, "", "")

Tree = dict[str, Any]


@dataclass
class Invocation:
    """A command on one machine."""

    instance_id: str
    status: str = "Pending"
    started: float | None = None
    ended: float | None = None
    answer: Answer = NOTHING_YET

    @property
    def details(self) -> str:
        """Return the status as StatusDetails has it."""
        if self.status == "TimedOut":
            return "DeliveryTimedOut" if self.started is None else "ExecutionTimedOut"
        return self.status


@dataclass
class Command:
    """One SendCommand."""

    command_id: str
    comment: str
    script: str
    seconds: float
    delivery_seconds: float
    requested: float
    parameters: dict[str, list[str]]
    targets: list[Tree]
    named: list[str]
    invocations: dict[str, Invocation] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """The worst status of its invocations, once all have ended."""
        found = {one.status for one in self.invocations.values()}
        for status in ("InProgress", "Pending", "Failed", "TimedOut", "Cancelled"):
            if status in found and (status != "Pending" or found == {"Pending"}):
                return status
        return "InProgress" if "Pending" in found else "Success"


def commands_of(backend: Any) -> dict[str, Command]:
    """Return a region's commands by id; moto's reset forgets them."""
    held: dict[str, Command] = vars(backend).setdefault("run_commands", {})
    return held


def _unfinished(backend: Any) -> list[Command]:
    """Return the commands to look at; those that ended are not checked again."""
    left: set[str] = vars(backend).setdefault("unfinished_commands", set())
    held = commands_of(backend)
    left -= {i for i in left if all(one.status in ENDED for one in held[i].invocations.values())}
    return [held[command_id] for command_id in sorted(left)]


def keep(backend: Any, command: Command) -> None:
    """Add a new command."""
    commands_of(backend)[command.command_id] = command
    vars(backend).setdefault("unfinished_commands", set()).add(command.command_id)


def carry_all(world: World, now: float) -> None:
    """Start what is pending and collect what has ended."""
    for account in list(ssm_backends.values()):
        for backend in list(account.values()):
            for command in _unfinished(backend):
                for one in command.invocations.values():
                    _carry(world, command, one, now)


def _carry(world: World, command: Command, one: Invocation, now: float) -> None:
    expires = command.requested + command.delivery_seconds + command.seconds
    if one.status == "Pending" and now >= expires:
        one.status, one.ended = "TimedOut", now
    elif one.status == "Pending" and world.driver.power(one.instance_id) is Power.UP:
        world.driver.run(command.command_id, one.instance_id, command.script, command.seconds)
        one.status, one.started = "InProgress", now
    elif one.status == "InProgress":
        answer = world.driver.answer(command.command_id, one.instance_id)
        late = now - (one.started or now) >= command.seconds
        if answer is not None or late:
            one.answer, one.ended = answer or NOTHING_YET, now
            ended_late = late and one.answer.exit_code in TIMED_OUT
            one.status = "Success" if one.answer.exit_code == 0 else "Failed"
            one.status = "TimedOut" if ended_late else one.status
