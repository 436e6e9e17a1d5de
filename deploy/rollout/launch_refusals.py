"""What EC2 refused to launch while a rollout waits for workers. Asks the leader's guard."""

from dataclasses import replace

from common.errors import Denied, PipelineError
from deploy.cluster.autoscaler_health import RefusedLaunch, autoscaler_health
from deploy.cluster.state import find_lease
from deploy.rollout.cluster_access import ClusterAccess

# Seconds before each question: it is a command on the leader, which takes a second or two.
EVERY = 15.0
WAITING_HINT = "`ray status` on the leader says what it waits for; docs/runbooks/worker-launch.md"


class LaunchRefusals:
    """The newest refusal of each group, as of some seconds ago at most."""

    def __init__(self, access: ClusterAccess) -> None:
        self._access = access
        self._asked = access.clock.now()
        self._found: tuple[RefusedLaunch, ...] = ()

    def words(self) -> str:
        """Return what to append to the words of a wait; empty where nothing was refused."""
        if self._access.clock.now() >= self._asked + EVERY:
            self._found = self._ask()
            self._asked = self._access.clock.now()
        since = self._access.clock.now() - self._asked
        known = [replace(one, seconds_ago=one.seconds_ago + since) for one in self._found]
        return "".join(f"; {one.brief}" for one in known if one.is_recent)

    def _ask(self) -> tuple[RefusedLaunch, ...]:
        """Return what the leader's guard knows; nothing while it does not answer.

        Raises Denied: workers are drained by the same calls, and none should be in vain.
        """
        clients, clock = self._access.clients, self._access.clock
        try:
            lease = find_lease(clients, self._access.environment)
            if lease is None or lease.released:
                return ()
            return autoscaler_health(clients, lease.holder, clock=clock).refused
        except Denied:
            raise
        except PipelineError:
            return ()
