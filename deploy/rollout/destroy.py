"""Delete a whole cluster: carry out what plan/destroy_plan.py decided. Touches AWS.

Every step may be run again, so a destroy that was killed is finished by another.
"""

from dataclasses import dataclass, replace

from common.clients import Clients
from common.environment import Environment
from common.progress import Progress
from common.waiting import Clock, Seen
from deploy.cluster.launch_template import remove_template
from deploy.cluster.secret import remove_secret
from deploy.foundation.changes import remove_foundation
from deploy.foundation.nodes_stack import remove_nodes
from deploy.plan.destroy_plan import (
    DeleteFoundation,
    DeleteGroup,
    DeleteNodes,
    DeleteSecret,
    EmptyBucket,
    TerminateInstances,
)
from deploy.plan.steps import DeleteTemplate, Done, Plan, Step
from deploy.release.config_bucket import remove_documents
from deploy.rollout.cluster_access import ClusterAccess
from deploy.rollout.head_group_changes import delete_group
from deploy.rollout.lock import deploy_lock
from deploy.rollout.run_steps import run_steps
from deploy.rollout.terminate import GONE_SECONDS, terminate_all


@dataclass(frozen=True)
class DestroyOperation:
    """A plan of what is deleted, and what it takes to carry it out."""

    plan: Plan
    environment: Environment
    clients: Clients
    clock: Clock

    def run_locked(self, progress: Progress, *, break_lock: bool = False) -> tuple[Done, ...]:
        """Carry every step out under the deploy lock; raises Refused if another deployer has it.

        The lock is deleted with its table, which is in the stack: a deployer that comes later finds
        nothing.
        """
        with deploy_lock(
            self.clients,
            self.environment,
            f"destroy of {self.environment.name}",
            clock=self.clock,
            progress=progress.say,
            break_it=break_lock,
        ) as clock:
            return replace(self, clock=clock).run(progress)

    def run(self, progress: Progress) -> tuple[Done, ...]:
        """Carry every step out, in order; raises PipelineError at the first that fails."""
        access = ClusterAccess(self.clients, self.environment, self.clock, progress)
        return run_steps(
            self.plan.steps, lambda step: _carry_out(step, access), self.clock, progress
        )


def _carry_out(step: Step, access: ClusterAccess) -> str:
    clients, environment = access.clients, access.environment
    match step:
        case DeleteGroup():
            _delete_group(access)
        case TerminateInstances():
            terminate_all(access, hint="destroy again")
        case DeleteTemplate():
            remove_template(clients, step.name)
        case EmptyBucket():
            return f"{remove_documents(clients, step.bucket, step.prefix)} versions"
        case DeleteSecret():
            remove_secret(clients, step.name)
        case DeleteNodes():
            remove_nodes(clients, environment, clock=access.clock, progress=access.progress.say)
        case DeleteFoundation():
            remove_foundation(
                clients, environment, clock=access.clock, progress=access.progress.say
            )
    return "deleted"


def _delete_group(access: ClusterAccess) -> None:
    def look() -> Seen[bool]:
        group = access.head_group()
        if group is None:
            return Seen(True, "deleted")
        if not group.being_deleted:
            delete_group(access.clients, group.name)
        states = ", ".join(f"{m.instance_id} {m.state}" for m in group.members)
        return Seen(None, states or "being deleted")

    name = access.environment.head_group
    access.wait_until(f"no group {name}", look, seconds=GONE_SECONDS, hint="destroy again")
