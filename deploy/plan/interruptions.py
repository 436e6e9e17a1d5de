"""What runs on a cluster now, and what of it a rollout would end. Asks Ray; touches no AWS.

A head that takes over starts a new GCS, which knows nothing of the one before it: every node joins
it anew, and what ran is gone. Where Ray's state is stored outside the head, the nodes stay, and
only what ran on the head is gone: the drivers of most jobs. A worker that is drained takes no new
work; what has not ended on it by the deadline ends with its instance. Ray then tries a task again
elsewhere, and an actor if it may be restarted.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from common.errors import PipelineError
from deploy.cluster.ray_api import Actor, PlacementGroup, RayApi, RunningJob

Kind = Literal["hand-over", "kept", "workers"]
UNPLACED = ""  # the node of a driver that has connected by itself
NAMED = 5  # of each sort; the rest are counted
NOTHING = "nothing that runs now is interrupted"


@dataclass(frozen=True)
class Running:
    """What ran when Ray was asked; ``unknown`` says why it could not be."""

    jobs: tuple[RunningJob, ...] = ()
    actors: tuple[Actor, ...] = ()
    placement_groups: tuple[PlacementGroup, ...] = ()
    unknown: str = ""

    def on(self, node_ids: Collection[str]) -> "Running":
        """Return what sits on these nodes."""
        return Running(
            tuple(job for job in self.jobs if job.node_id in node_ids),
            tuple(actor for actor in self.actors if actor.node_id in node_ids),
            tuple(g for g in self.placement_groups if not set(node_ids).isdisjoint(g.node_ids)),
            self.unknown,
        )


def what_runs(api: RayApi) -> Running:
    """Return what runs now. A cluster that cannot be asked is no error: it says so."""
    try:
        return Running(api.running_jobs(), api.actors(), api.placement_groups())
    except PipelineError as error:
        return Running(unknown=error.message)
    except (KeyError, TypeError) as error:
        return Running(unknown=f"{api.base} answers as no Ray that is known here: {error!r}")


def interrupted_by(
    running: Running,
    kind: Kind,
    node_ids: Collection[str] = (),
    *,
    deadline_seconds: float | None = None,
) -> tuple[str, ...]:
    """Say what a change would end, for a plan: one line a sort, or one that says nothing does.

    ``hand-over`` is one to another head without stored state, ``kept`` one with it; that ends the
    nodes named by Ray's ids, and so does ``workers``, ``deadline_seconds`` after they were drained.
    """
    if running.unknown:
        return (f"what runs now could not be asked, and may be interrupted: {running.unknown}",)
    if kind == "hand-over":
        found, condition = running, ""
    elif kind == "kept":
        found, condition = running.on({*node_ids, UNPLACED}), ""
    else:
        within = f" within {deadline_seconds:.0f} s" if deadline_seconds is not None else " in time"
        found, condition = running.on(node_ids), f" unless done{within}"
    sorts = {
        "job": [job.id for job in found.jobs],
        "actor": [actor.words for actor in found.actors],
        "placement group": [group.words for group in found.placement_groups],
    }
    lines = [_line(sort, names, condition) for sort, names in sorts.items() if names]
    return tuple(lines) or (NOTHING,)


def _line(sort: str, names: list[str], condition: str) -> str:
    count = len(names)
    many = f"{count} {sort}{'s' if count > 1 else ''} {'end' if count > 1 else 'ends'}"
    return f"{many}{condition}: {_named(names)}"


def _named(names: Iterable[str]) -> str:
    """Return the names, each once with how often, most frequent first; at most NAMED of them."""
    counted = Counter(names).most_common()
    words = [name if count == 1 else f"{count} {name}" for name, count in counted[:NAMED]]
    more = sum(count for _, count in counted[NAMED:])
    return ", ".join(words) + (f" and {more} more" if more else "")
