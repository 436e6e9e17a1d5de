"""What a pipeline runs on, as far as drills lose it: tasks of ECS, or instances of the cluster."""

from collections.abc import Collection, Sequence
from typing import Protocol


class Place(Protocol):
    """Where a pipeline runs. What it runs on has AWS's names: a task's ARN, an instance's id."""

    def head(self) -> list[str]:
        """Return what Ray's head runs on."""

    def workers(self) -> list[str]:
        """Return what its workers run on."""

    def on_spot(self, workers: Sequence[str]) -> list[str]:
        """Return those of these workers that AWS takes back when it needs them."""

    def have_workers(self, count: int) -> None:
        """Have so many workers at least, before long."""

    def look(self, lost: Collection[str], workers: int) -> tuple[bool, str]:
        """Say whether others run for those lost, so many workers at least, and are in Ray.

        Returns also what was seen. Raises PipelineError while Ray does not answer.
        """
