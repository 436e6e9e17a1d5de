"""What runs on a cluster now, and what of it a rollout would interrupt. Asks Ray; no AWS.

A head that takes the lease starts a new GCS, which knows nothing of the previous one: every node
joins again, and what ran is lost. If Redis keeps Ray's state, the nodes stay, and only what ran on
the head is lost: drivers that a person asked for there. A worker that is drained accepts no new
work; what still runs on it at the deadline ends with its instance. Ray then retries a task
elsewhere, and restarts an actor that may be restarted.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from common.errors import PipelineError
from deploy.cluster.ray_api import Actor, PlacementGroup, RayApi, RunningJob

Kind = Literal["hand-over", "kept", "workers"]
UNPLACED = ""  # the node of a driver that was not submitted as a job
NAMED = 5  # names shown of each type; the rest are counted
NOTHING = "nothing that runs now is interrupted"


@dataclass(frozen=True)
class Running:
    """What ran when Ray was asked; ``unknown`` says why Ray could not be asked."""

    jobs: tuple[RunningJob, ...] = ()
    actors: tuple[Actor, ...] = ()
    placement_groups: tuple[PlacementGroup, ...] = ()
    unknown: str = ""

    def on(self, node_ids: Collection[str]) -> "Running":
        """Return what runs on these nodes."""
        return Running(
            tuple(job for job in self.jobs if job.node_id in node_ids),
            tuple(actor for actor in self.actors if actor.node_id in node_ids),
            tuple(g for g in self.placement_groups if not set(node_ids).isdisjoint(g.node_ids)),
            self.unknown,
        )


def what_runs(api: RayApi) -> Running:
    """Return what runs now; raises nothing: ``unknown`` says why Ray could not be asked."""
    try:
        return Running(api.running_jobs(), api.actors(), api.placement_groups())
    except PipelineError as error:
        return Running(unknown=error.message)
    except (KeyError, TypeError) as error:
        return Running(unknown=f"{api.base} does not answer as Ray does: {error!r}")


def interrupted_by(
    running: Running,
    kind: Kind,
    node_ids: Collection[str] = (),
    *,
    deadline_seconds: float | None = None,
) -> tuple[str, ...]:
    """Say what a rollout would interrupt: one line a type, or one line that says nothing.

    ``kind``: ``hand-over`` ends all of it; ``kept``, a hand-over with Ray's state in Redis, ends
    what runs on ``node_ids`` (Ray's ids) and drivers without a node; ``workers`` ends what still
    runs on ``node_ids`` ``deadline_seconds`` after they are drained.
    """
    if running.unknown:
        return (f"Ray did not say what runs now; all of it may be interrupted: {running.unknown}",)
    if kind == "hand-over":
        found, condition = running, ""
    elif kind == "kept":
        found, condition = running.on({*node_ids, UNPLACED}), ""
    else:
        within = f" within {deadline_seconds:.0f} s" if deadline_seconds is not None else " in time"
        found, condition = running.on(node_ids), f" unless done{within}"
    types = {
        "job": [job.id for job in found.jobs],
        "actor": [actor.words for actor in found.actors],
        "placement group": [group.words for group in found.placement_groups],
    }
    lines = [_line(noun, names, condition) for noun, names in types.items() if names]
    return tuple(lines) or (NOTHING,)


def _line(noun: str, names: list[str], condition: str) -> str:
    count = len(names)
    many = f"{count} {noun}{'s' if count > 1 else ''} {'end' if count > 1 else 'ends'}"
    return f"{many}{condition}: {_named(names)}"


def _named(names: Iterable[str]) -> str:
    """Return the names with their counts, most frequent first; at most NAMED of them."""
    counted = Counter(names).most_common()
    words = [name if count == 1 else f"{count} {name}" for name, count in counted[:NAMED]]
    more = sum(count for _, count in counted[NAMED:])
    return ", ".join(words) + (f" and {more} more" if more else "")
