"""What a head says, for an operator: its journal, and when it no longer answers its last words.

Reads AWS.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.clients import Clients
from deploy.environment import Environment
from deploy.errors import PipelineError, TimedOut, Unanswered
from deploy.head_journal import Reader
from deploy.heads import find_heads
from deploy.last_words import console_of
from deploy.waiting import Clock


@dataclass(frozen=True)
class Wish:
    """What an operator asks for: an empty ``instance_id`` means whoever leads, or led last."""

    instance_id: str
    units: tuple[str, ...]
    lines: int
    follow: bool


def log_lines(
    clients: Clients, environment: Environment, wish: Wish, *, clock: Clock
) -> Iterator[str]:
    """Yield line after line; raises PipelineError at the end when the head does not answer."""
    instance_id = wish.instance_id or _head(clients, environment)
    reader = Reader(clients, clock, instance_id, wish.units)
    try:
        found = reader.follow(wish.lines) if wish.follow else reader.newest(wish.lines)
        yield from map(str, found)
    except (TimedOut, Unanswered) as error:
        words = console_of(clients, instance_id)
        yield from words.splitlines()
        seen = "; above is what its console said last" if words else ""
        raise PipelineError(
            f"{instance_id} does not answer: {error.message}{seen}",
            hint=f"invoke status --env {environment.name} shows who leads",
        ) from error


def _head(clients: Clients, environment: Environment) -> str:
    heads = find_heads(clients, environment)
    if not (heads.leader or heads.last_leader):
        raise PipelineError(
            f"no head of {environment.name} has ever led",
            hint="--id chooses one: invoke status lists them",
        )
    return heads.leader or heads.last_leader
