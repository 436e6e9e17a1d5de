"""Replace Ray's token by a new one on every node. Touches AWS (SSM, S3, DynamoDB) and asks Ray.

Each of Ray's processes reads the token once and keeps it until it ends: it sends it with each call,
and admits only calls that bring the same (``AuthenticationTokenLoader::GetToken`` in
src/ray/rpc/authentication/authentication_token_loader.cc, Ray 2.60). So Ray starts anew on all
nodes, and what runs on it ends, with stored state too: no raylet outlives its token. Instances
stay, but for workers that Ray's autoscaler replaces where a Redis has kept that their former node
is dead; what the Redis keeps stays too, and its password is another secret. The head fetches the
token before it starts Ray. A worker's watchdog sees that the head refuses its own, and restarts Ray
with the new one.

A mark in the configuration bucket says which version is being replaced, from before the secret is
changed until all nodes are back. So a rotation that was killed anywhere is continued by the next,
which does not begin another.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from common.clients import Clients
from common.environment import Environment
from common.errors import Refused
from common.progress import Progress
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.heads import find_heads
from deploy.cluster.instances import find_instances
from deploy.cluster.ray_api import RayApi, TokenRefused, Unreachable
from deploy.cluster.release_images import images_by_id
from deploy.cluster.secret import find_secret, replace_secret
from deploy.cluster.state import ClusterState, read_state
from deploy.operate.head_change import ChangeResult, HeadChange, PlannedChange, plan_change
from deploy.plan.interruptions import interrupted_by, what_runs
from deploy.release.config_bucket import (
    Document,
    remove_documents,
    rotation_folder,
    store_document,
    stored_keys,
)
from deploy.rollout.cluster_access import ClusterAccess
from deploy.rollout.lock import deploy_lock
from deploy.rollout.workers_wait import await_rejoined
from node.contract import OWN_PASSWORD

EVERY = 1.0
# What Ray does with what it finds in its Redis, once no node of before is alive.
KEPT = (
    "kept in the Redis: how jobs have ended; actors that may be restarted, which start anew, with "
    "nothing in memory; detached placement groups"
)
ALL_STAY = "all instances stay"
# It finds the node that an instance was before, which is dead.
MAY_BE_REPLACED = "its autoscaler may replace their instances"


@dataclass(frozen=True)
class PlannedRotation:
    """What a rotation would do: ``version`` of the secret is replaced; ``interrupted`` in words.

    ``continues`` one that was not finished. ``change`` is None when the head has the new token.
    ``kept`` says what a Redis keeps; empty without one.
    """

    secret: str
    version: int
    change: PlannedChange | None
    interrupted: tuple[str, ...]
    continues: bool = False
    kept: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Describe what would happen, for the confirmation."""
        begun = "continues: " if self.continues else ""
        first = f"{begun}another token replaces version {self.version} of {self.secret}"
        if self.change is None:
            return (first, "the head has it; workers that do not yet are awaited")
        return (
            first,
            self.change.words,
            f"Ray starts anew on every worker; {MAY_BE_REPLACED if self.kept else ALL_STAY}",
            *self.interrupted,
            *self.kept,
            "whoever has `invoke connect` open must open it again",
        )


@dataclass(frozen=True)
class TokenRotation:
    """Plans a rotation, and carries it out. ``api`` returns Ray's API with the token as it is now.

    The changes of AWS are all conditional on what is there, so it may be run again at any time.
    """

    clients: Clients
    environment: Environment
    clock: Clock
    api: Callable[[], RayApi]
    progress: Progress

    def plan(self) -> PlannedRotation:
        """Return what a rotation would do.

        Raises Refused when there is no secret, or a Redis has Ray's token as its password;
        PipelineError when there is no leader, or Ray does not answer.
        """
        environment = self.environment
        self._refuse_shared_token()
        secret = find_secret(self.clients, environment.secret)
        if secret is None:
            raise Refused(
                f"there is no secret {environment.secret}",
                hint=f"`invoke deploy --env {environment.name}` creates cluster and secret",
            )
        replaced = self._replaced()
        version = secret.version if replaced is None else replaced
        rotation = PlannedRotation(environment.secret, version, None, (), replaced is not None)
        if replaced is not None and secret.version > replaced and self._is_admitted():
            return rotation
        heads = find_heads(self.clients, environment)
        action = plan_change("restart", heads)
        if heads.standby:
            action = plan_change("hand-over", heads)
        kept = (KEPT,) if environment.head.state == "redis" else ()
        return replace(rotation, change=action, interrupted=self._interrupted(), kept=kept)

    def run(self, planned: PlannedRotation) -> ChangeResult | None:
        """Carry it out; every node that runs has the new token when this returns.

        Returns what the change of the head came to, None when there was none to do. Raises Refused
        when a deploy is in progress or the heads have changed, PipelineError when the cluster does
        not recover.
        """
        result = None
        if planned.change is None:
            self._await_workers()
        else:
            change = HeadChange(
                self.clients,
                self.environment,
                self.clock,
                self.api,
                self.progress,
                first=lambda: self._replace(planned.version),
            )
            result = change.run(planned.change)
        remove_documents(self.clients, self.environment.bucket, self._folder)
        return result

    def _replace(self, version: int) -> None:
        """Replace that version of the secret, unless it has been; the mark is set before."""
        mark = Document(f"{self._folder}/{version}", "This version of the secret is replaced.\n")
        store_document(self.clients, self.environment.bucket, mark)
        secret = find_secret(self.clients, self.environment.secret)
        if secret and secret.version <= version:
            replace_secret(self.clients, secret.name)

    def _await_workers(self) -> None:
        """Wait until all workers that run have joined the head."""
        with deploy_lock(
            self.clients,
            self.environment,
            f"token.rotate of {self.environment.name}",
            clock=self.clock,
            progress=self.progress.say,
        ) as clock:
            access = ClusterAccess(self.clients, self.environment, clock, self.progress)
            found = find_instances(self.clients, self.environment.name)
            running = (i.address for i in found if i.role == "worker" and i.state == "running")
            seconds = float(self.environment.limits.workers_ready_seconds)
            await_rejoined(access, self.api, frozenset(running), seconds)

    def _is_admitted(self) -> bool:
        """Say whether the head's Ray admits the token as it is now, once it answers."""

        def look() -> Seen[bool]:
            try:
                self.api().nodes()
            except TokenRefused:
                return Seen(False, "")
            except Unreachable as error:
                return Seen(None, error.message)
            return Seen(True, "")

        return wait_for(
            "Ray's answer, which tells the token that it has",
            look,
            clock=self.clock,
            seconds=float(self.environment.limits.head_ready_seconds),
            every=EVERY,
            hint=f"invoke status --env {self.environment.name}; docs/runbooks/no-leader.md",
            progress=self.progress.say,
        )

    def _interrupted(self) -> tuple[str, ...]:
        """Say what would end, whether or not state is stored: every process of Ray does."""
        return interrupted_by(what_runs(self.api()), "hand-over")

    def _refuse_shared_token(self) -> None:
        """Raise Refused when the token is a Redis's password, or a head takes it for that."""
        environment, state = self.environment, read_state(self.clients, self.environment)
        if state.redis_has_token or (environment.head.state == "redis" and self._is_old(state)):
            raise Refused(
                f"the Redis of {environment.name} has Ray's token as its password",
                hint=f"`invoke deploy --env {environment.name}` gives it its own secret",
            )

    def _is_old(self, state: ClusterState) -> bool:
        """Say whether a head's image may be from before a Redis had its own password."""
        ami_ids = {head.ami_id for head in state.heads}
        found = images_by_id(self.clients, ami_ids)
        contracts = (found[name].contract if name in found else 0 for name in ami_ids)
        return any(contract < OWN_PASSWORD for contract in contracts)

    def _replaced(self) -> int | None:
        """Return the version that an unfinished rotation replaces; None without one."""
        keys = stored_keys(self.clients, self.environment.bucket, self._folder)
        return max((int(key.rpartition("/")[2]) for key in keys), default=None)

    @property
    def _folder(self) -> str:
        return rotation_folder(self.environment.name)
