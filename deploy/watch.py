"""Wait for heads, endpoint and workers of a cluster; tell why they do not come. Reads AWS only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from deploy.activities import Failure, find_failures
from deploy.clients import Clients
from deploy.environment import Environment
from deploy.errors import PipelineError, TimedOut
from deploy.foundation.stack import Foundation
from deploy.head_group import find_group
from deploy.last_words import console_of, log_of
from deploy.progress import Progress
from deploy.state import find_instances, find_lease, find_targets
from deploy.waiting import Clock, Seen, wait_for

T = TypeVar("T")

# One launch may fail for a reason that passes; the second one ends the wait.
ATTEMPTS = 2
# After the hook has given up, its activity says so a little later.
MARGIN = 60
# A new target gets traffic 180 to 300 s after its registration.
ENDPOINT_SECONDS = 600
EVERY = 2.0


class HeadFailed(PipelineError):
    """The group's heads do not come into service."""


@dataclass(frozen=True)
class Watch:
    """Looks at one cluster until it is as far as it shall be.

    ``known`` are the failures from before this deploy.
    """

    clients: Clients
    environment: Environment
    clock: Clock
    progress: Progress
    known: frozenset[str] = frozenset()

    def heads(self, count: int, version: int) -> str:
        """Wait for so many heads of that version in service, one of which leads; return its id.

        Raises HeadFailed or TimedOut, both with the reason.
        """
        began = self.clock.now()
        try:
            return self._wait(
                f"heads of {self.environment.head_group}",
                lambda: self._heads(count, version, round(self.clock.now() - began)),
                self.environment.limits.head_ready_seconds + MARGIN,
                hint="mend the cause and deploy again",
            )
        except TimedOut as error:
            raise TimedOut(error.message + self._logs(), hint=error.hint) from error

    def endpoint(self, foundation: Foundation) -> str:
        """Wait until the load balancer sends every port to the leader; return its id."""
        return self._wait(
            f"{self.environment.head_dns}",
            lambda: self._endpoint(foundation),
            ENDPOINT_SECONDS,
            hint="the load balancer asks the head's port 8479 for /leader: "
            "see the security groups, and `systemctl status ray-head` on the head",
        )

    def workers(self, least: int) -> int:
        """Wait until so many workers run; return how many do."""
        return self._wait(
            f"workers of {self.environment.name}",
            lambda: self._workers(least),
            self.environment.limits.workers_ready_seconds,
            hint="the autoscaler on the head launches them: `ray status` there says why not",
        )

    def _wait(self, what: str, look: Callable[[], Seen[T]], seconds: float, hint: str) -> T:
        return wait_for(
            what,
            look,
            clock=self.clock,
            seconds=seconds,
            every=EVERY,
            hint=hint,
            progress=self.progress.say,
        )

    def _heads(self, count: int, version: int, seconds: int) -> Seen[str]:
        group = find_group(
            self.clients, self.environment.head_group, self.environment.names.lifecycle_hook
        )
        members = group.members if group else ()
        serving = [m.instance_id for m in members if m.serves and m.template_version == version]
        if len(serving) >= count:
            return self._leader(serving)
        failures = self._failures()
        if len(failures) >= ATTEMPTS:
            raise self._failed(failures)
        seen = ", ".join(f"{member.instance_id} {member.state}" for member in members)
        tried = f"; before: {failures[-1].reason}" if failures else ""
        return Seen(None, f"{seen or 'no instance yet'} ({seconds} s){tried}")

    def _leader(self, serving: list[str]) -> Seen[str]:
        lease = find_lease(self.clients, self.environment)
        if lease is None or lease.released or lease.holder not in serving:
            return Seen(None, f"{', '.join(serving)} in service, nobody leads yet")
        return Seen(lease.holder, f"{lease.holder} leads")

    def _failures(self) -> list[Failure]:
        found = find_failures(self.clients, self.environment.head_group)
        return [failure for failure in found if failure.id not in self.known]

    def _logs(self) -> str:
        """Return what the heads that never reported say in their logs."""
        group = find_group(self.clients, self.environment.head_group, "")
        silent = [m.instance_id for m in (group.members if group else ()) if not m.serves]
        said = {name: log_of(self.clients, name, clock=self.clock) for name in silent}
        return "".join(f"\n{name} says:\n{words}" for name, words in said.items() if words)

    def _failed(self, failures: list[Failure]) -> HeadFailed:
        last = failures[-1]
        said = console_of(self.clients, last.instance_id) if last.instance_id else ""
        return HeadFailed(
            f"{len(failures)} heads did not come into service; the last one "
            f"({last.instance_id or 'never launched'}): {last.reason}"
            + (f"\nits last words:\n{said}" if said else ""),
            hint="mend the cause and deploy again",
        )

    def _endpoint(self, foundation: Foundation) -> Seen[str]:
        lease = find_lease(self.clients, self.environment)
        if lease is None or lease.released:
            return Seen(None, "nobody leads")
        targets = find_targets(self.clients, foundation.target_group_arns)
        missing = [t for t in targets if lease.holder not in t.healthy]
        if not missing:
            return Seen(lease.holder, f"leads to {lease.holder}")
        words = sorted({dict(t.health).get(lease.holder, "not registered yet") for t in missing})
        return Seen(
            None, f"{len(targets) - len(missing)} of {len(targets)} ports; {', '.join(words)}"
        )

    def _workers(self, least: int) -> Seen[int]:
        found = [
            i for i in find_instances(self.clients, self.environment.name) if i.role == "worker"
        ]
        running = sum(instance.state == "running" for instance in found)
        words = ", ".join(f"{instance.id} {instance.state}" for instance in found)
        return Seen(running if running >= least else None, words or "none launched yet")
