"""Wait for the heads of a cluster; tell why one did not come. Touches AWS through its readers."""

from dataclasses import dataclass

from deploy.activities import Failure, find_failures, last_words
from deploy.clients import Clients
from deploy.environment import Environment
from deploy.errors import PipelineError
from deploy.head_group import GroupSettings, find_group
from deploy.progress import Progress
from deploy.state import find_lease
from deploy.waiting import Clock, Seen, wait_for

# One launch may fail for a reason that passes; the second one ends the wait.
ATTEMPTS = 2
# After the hook has given up, its activity says so a little later.
MARGIN = 60
EVERY = 2.0


class HeadFailed(PipelineError):
    """The group's heads do not come into service."""


@dataclass(frozen=True)
class HeadWatch:
    """The wait for as many heads in service as ``wanted`` says, one of which leads.

    ``known`` are the failures from before this deploy.
    """

    clients: Clients
    environment: Environment
    wanted: GroupSettings
    known: frozenset[str]

    def wait(self, clock: Clock, progress: Progress) -> str:
        """Return the leader's instance id; raises HeadFailed or TimedOut, both with the reason."""
        began = clock.now()

        def look() -> Seen[str]:
            return self._look(round(clock.now() - began))

        return wait_for(
            f"heads of {self.environment.head_group}",
            look,
            clock=clock,
            seconds=self.environment.limits.head_ready_seconds + MARGIN,
            every=EVERY,
            hint=f"see /var/log/ray-head-bootstrap.log on the head; "
            f"`invoke status --env {self.environment.name}`",
            progress=progress.say,
        )

    def _look(self, seconds: int) -> Seen[str]:
        group = find_group(
            self.clients, self.environment.head_group, self.environment.names.lifecycle_hook
        )
        members = group.members if group else ()
        version = self.wanted.template_version
        serving = [m.instance_id for m in members if m.serves and m.template_version == version]
        if len(serving) >= self.wanted.desired:
            return self._leader(serving)
        failures = self._failures()
        if len(failures) >= ATTEMPTS:
            raise self._failed(failures[-1], len(failures))
        seen = ", ".join(f"{member.instance_id} {member.state}" for member in members)
        tried = f"; {failures[-1].reason}" if failures else ""
        return Seen(None, f"{seen or 'no instance yet'} ({seconds} s){tried}")

    def _leader(self, serving: list[str]) -> Seen[str]:
        lease = find_lease(self.clients, self.environment)
        if lease is None or lease.released or lease.holder not in serving:
            return Seen(None, f"{', '.join(serving)} in service, nobody leads yet")
        return Seen(lease.holder, f"{lease.holder} leads")

    def _failures(self) -> list[Failure]:
        found = find_failures(self.clients, self.environment.head_group)
        return [failure for failure in found if failure.id not in self.known]

    def _failed(self, failure: Failure, count: int) -> HeadFailed:
        said = last_words(self.clients, failure.instance_id)
        return HeadFailed(
            f"{count} heads did not come into service; the last one, "
            f"{failure.instance_id or 'never launched'}: {failure.reason}"
            + (f"\nits last words:\n{said}" if said else ""),
            hint="mend the cause and deploy again",
        )
