"""What a deploy of the document pipeline would do, in words. Pure: no AWS."""

from dataclasses import dataclass

from deploy.foundation.stack_plan import StackPlan
from deploy.plan.finding import Finding

HEAD = ("RayHeadTaskDefinition", "RayHeadService")
WORKERS = ("RayWorkerTaskDefinition", "RayWorkerService")


@dataclass(frozen=True)
class DeployPlan:
    """A deploy: of what is in the stack, of which image, and what else has to be done.

    ``image`` names it for a person; ``is_built``: the repository has it already. ``keys`` are the
    providers' keys that have no value yet. ``force``: tasks are replaced, whatever has changed.
    ``findings`` are preflight's.
    """

    stack: StackPlan
    image: str
    is_built: bool
    is_paused: bool = False
    keys: tuple[str, ...] = ()
    force: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def is_empty(self) -> bool:
        """The pipeline is as it should be."""
        return self.stack.is_empty and self.is_built and not (self.keys or self.force)

    @property
    def words(self) -> tuple[str, ...]:
        """Return a line for each thing that would happen."""
        return (*self._of_the_stack(), *self._of_the_image(), *self._of_the_tasks())

    @property
    def losses(self) -> tuple[str, ...]:
        """Return what would lose data."""
        return tuple(str(change) for change in self.stack.losses)

    def _of_the_stack(self) -> tuple[str, ...]:
        if self.stack.is_new:
            return (f"create the stack {self.stack.stack}: {len(self.stack.changes)} resources",)
        changes = tuple(f"stack {self.stack.stack}: {change}" for change in self.stack.changes)
        if self.stack.has_other_changes and not changes:
            changes = (f"stack {self.stack.stack}: tags or outputs",)
        return changes + tuple(f"LOSES DATA: {loss}" for loss in self.losses)

    def _of_the_image(self) -> tuple[str, ...]:
        asked = tuple(f"store {name}, which is asked for" for name in self.keys)
        if self.is_built:
            return asked
        return (*asked, f"build and push the image {self.image}")

    def _of_the_tasks(self) -> tuple[str, ...]:
        if self.is_paused:
            return ("the pipeline is paused, and stays so",) if not self.is_empty else ()
        if self.stack.is_new:
            return ("start what answers and what reads documents",)
        changed = {change.name for change in self.stack.changes if change.action != "add"}
        words = []
        if self.force or changed & set(HEAD):
            words.append("replace the head: no answers for about a minute; documents wait")
        if self.force or changed & set(WORKERS):
            words.append("replace the workers: each finishes the documents that it has")
        return tuple(words)
