"""Take a cluster away, whole: show what would go, then remove it in a safe order. Touches AWS.

The heads go first, so that no autoscaler launches workers again; the stack goes last, since
everything else stands on it. Every step may be run again, so a destroy that was killed is finished
by another. What was given (a VPC, a zone, a bucket) stays; of a given bucket only what
we put there goes. Images are no part of an environment, and stay.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from common.clients import Clients
from common.environment import Environment
from common.progress import Progress
from common.waiting import Clock, Seen, wait_for
from deploy.cluster.head_group import find_group
from deploy.cluster.launch_template import remove_template
from deploy.cluster.secret import remove_secret
from deploy.cluster.state import ClusterState, find_instances
from deploy.foundation.changes import remove_foundation
from deploy.plan.steps import Done, Plan, Step
from deploy.release.config_bucket import remove_documents
from deploy.rollout.head_group_changes import delete_group
from deploy.rollout.lock import deploy_lock
from deploy.rollout.run_steps import run_steps
from deploy.rollout.terminate import terminate_instances

# An orderly power-off may take minutes; EC2 then forces it.
SECONDS = 1200


@dataclass(frozen=True)
class RemoveGroup(Step):
    """End the heads and delete their group."""

    kind: ClassVar[str] = "group"


@dataclass(frozen=True)
class TerminateInstances(Step):
    """End whatever instance carries the environment's tags."""

    kind: ClassVar[str] = "instances"


@dataclass(frozen=True)
class RemoveTemplate(Step):
    """Delete a launch template with all its versions."""

    name: str
    kind: ClassVar[str] = "template"


@dataclass(frozen=True)
class EmptyBucket(Step):
    """Delete every version of what is in the bucket, or in our part of it."""

    bucket: str
    prefix: str
    kind: ClassVar[str] = "bucket"


@dataclass(frozen=True)
class RemoveSecret(Step):
    """Delete the secret."""

    kind: ClassVar[str] = "secret"


@dataclass(frozen=True)
class RemoveFoundation(Step):
    """Delete the stack."""

    kind: ClassVar[str] = "foundation"


def plan_destroy(environment: Environment, state: ClusterState) -> Plan:
    """Return what would go; empty when nothing is there."""
    steps = (
        *_group(environment, state),
        *_instances(state),
        *_templates(environment, state),
        *_secret(environment, state),
        *_bucket(environment, state),
        *_foundation(environment, state),
    )
    return Plan(environment.name, state.release.id if state.release else "", steps)


def _group(environment: Environment, state: ClusterState) -> tuple[Step, ...]:
    if state.group is None:
        return ()
    heads = ", ".join(member.instance_id for member in state.group.members) or "no heads"
    return (RemoveGroup(f"group {environment.head_group}", heads, "-"),)


def _instances(state: ClusterState) -> tuple[Step, ...]:
    """A head may launch a worker until it goes, so this step follows every group."""
    if not (state.instances or state.group):
        return ()
    names = ", ".join(f"{i.role} {i.id}" for i in state.instances) or "what is left by then"
    return (TerminateInstances("instances", names, "-"),)


def _templates(environment: Environment, state: ClusterState) -> tuple[Step, ...]:
    both = (
        (environment.head_template, state.head_template),
        (environment.worker_template, state.worker_template),
    )
    return tuple(
        RemoveTemplate(f"launch template {name}", f"versions: {len(found.versions)}", "-", name)
        for name, found in both
        if found
    )


def _secret(environment: Environment, state: ClusterState) -> tuple[Step, ...]:
    return (RemoveSecret(f"secret {environment.secret}", "", "-"),) if state.secret else ()


def _bucket(environment: Environment, state: ClusterState) -> tuple[Step, ...]:
    """Return what empties the bucket; deleted versions are no key any more, but keep it there."""
    bucket = environment.bucket
    if environment.existing_bucket:
        prefix = f"{environment.name}/"
        ours = EmptyBucket(f"s3://{bucket}/{prefix}", "the bucket stays", "-", bucket, prefix)
        return (ours,) if state.keys else ()
    if not state.stack_status:
        return ()
    return (EmptyBucket(f"content of s3://{bucket}", "all versions", "-", bucket, ""),)


def _foundation(environment: Environment, state: ClusterState) -> tuple[Step, ...]:
    if not state.stack_status:
        return ()
    given = [
        words
        for words, value in (
            (f"VPC {environment.network.vpc_id}", environment.network.vpc_id),
            (f"zone {environment.dns.zone_id}", environment.dns.zone_id),
            (f"bucket {environment.bucket}", environment.existing_bucket),
        )
        if value
    ]
    why = f"{', '.join(given)} stay" if given else state.stack_status
    return (RemoveFoundation(f"stack {environment.stack}", why, "-"),)


@dataclass(frozen=True)
class Destruction:
    """A plan of what goes, and what it takes to carry it out."""

    plan: Plan
    environment: Environment
    clients: Clients
    clock: Clock

    def run_locked(self, progress: Progress, *, break_lock: bool = False) -> tuple[Done, ...]:
        """Take every step while no other deployer can be at work; raises Refused if one is.

        The lock goes away with its table, which is in the stack: whatever comes after that finds
        nothing any more.
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
        """Take every step, in order; raises PipelineError at the first that fails."""

        def take(step: Step) -> str:
            return self._take(step, progress)

        return run_steps(self.plan.steps, take, self.clock, progress)

    def _take(self, step: Step, progress: Progress) -> str:
        match step:
            case RemoveGroup():
                self._remove_group(progress)
            case TerminateInstances():
                self._end_instances(progress)
            case RemoveTemplate():
                remove_template(self.clients, step.name)
            case EmptyBucket():
                return f"{remove_documents(self.clients, step.bucket, step.prefix)} versions"
            case RemoveSecret():
                remove_secret(self.clients, self.environment.secret)
            case RemoveFoundation():
                remove_foundation(
                    self.clients, self.environment, clock=self.clock, progress=progress.say
                )
        return "gone"

    def _remove_group(self, progress: Progress) -> None:
        name = self.environment.head_group

        def look() -> Seen[bool]:
            group = find_group(self.clients, name, "")
            if group is None:
                return Seen(True, "gone")
            if not group.being_deleted:
                delete_group(self.clients, name)
            states = ", ".join(f"{m.instance_id} {m.state}" for m in group.members)
            return Seen(None, states or "being deleted")

        wait_for(
            f"no group {name}",
            look,
            clock=self.clock,
            seconds=SECONDS,
            every=2.0,
            hint="destroy again",
            progress=progress.say,
        )

    def _end_instances(self, progress: Progress) -> None:
        """End heads before workers are looked at for the last time, until none is left."""

        def look() -> Seen[bool]:
            left = find_instances(self.clients, self.environment.name)
            ending = [i.id for i in left if i.state != "shutting-down"]
            if ending:
                terminate_instances(self.clients, ending)
            words = ", ".join(f"{i.role} {i.id} {i.state}" for i in left)
            return Seen(None if left else True, words)

        wait_for(
            f"no instances of {self.environment.name}",
            look,
            clock=self.clock,
            seconds=SECONDS,
            every=2.0,
            hint="destroy again",
            progress=progress.say,
        )
