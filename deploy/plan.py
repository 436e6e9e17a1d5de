"""Decide what a deploy has to do. Pure: no AWS, no clock.

The plan follows the chain foundation → worker template → autoscaler YAML → head template → group.
What a link will be called is known only once the one before it is there, so a change in one makes
the rest "known after"; each step looks again when its turn comes, and does nothing it need not.
"""

from collections import Counter
from dataclasses import dataclass

from deploy.errors import Refused
from deploy.foundation.plan import StackPlan
from deploy.head_group import HeadGroup, group_changes
from deploy.launch_template import Template, TemplateVersion
from deploy.release import Role, differences
from deploy.state import ClusterState
from deploy.steps import (
    AwaitEndpoint,
    AwaitHeads,
    AwaitWorkers,
    ChangeFoundation,
    EndHead,
    MakeSecret,
    Plan,
    PointToRelease,
    PutGroup,
    PutTemplate,
    Step,
    StoreAutoscaler,
    StoreRelease,
    Verify,
)
from deploy.template_content import TemplateContent
from deploy.wanted import Wanted

LATER = "known after the steps before it"


@dataclass(frozen=True)
class _Chain:
    """The links of the chain that are known beforehand."""

    worker: TemplateVersion | None = None
    autoscaler_key: str = ""
    head: TemplateVersion | None = None


def plan_deploy(wanted: Wanted, state: ClusterState, foundation: StackPlan) -> Plan:
    """Return the steps from what is there to what is wanted.

    Raises Refused when a head in service would have to be replaced.
    """
    chain = _chain(wanted, state, foundation)
    _refuse_rolling(wanted, state, foundation, chain)
    changes = (
        *_foundation(foundation),
        *_secret(wanted, state),
        *_release(wanted, state),
        *_worker_template(wanted, state, chain),
        *_autoscaler(wanted, state, chain),
        *_head_template(wanted, state, chain),
        *_group(wanted, state, chain),
        *_stale_heads(state, chain),
    )
    return Plan(
        wanted.environment.name,
        wanted.release.id,
        (*changes, *_finish(wanted, state, changed=bool(changes))),
    )


def _chain(wanted: Wanted, state: ClusterState, plan: StackPlan) -> _Chain:
    """Follow the chain as far as it is known."""
    found = state.foundation
    if found is None or not _keeps_outputs(plan):
        return _Chain()
    worker = _version(state.worker_template, wanted.worker_content(found))
    if worker is None:
        return _Chain()
    document = wanted.autoscaler(found, worker)
    head = _version(state.head_template, wanted.head_content(found, document))
    return _Chain(worker, document.key, head)


def _version(template: Template | None, content: TemplateContent) -> TemplateVersion | None:
    return template.version_with(content) if template else None


def refuse_rolling(group: HeadGroup | None, wanted: TemplateVersion | None, why: str) -> None:
    """Raise Refused when a head that serves is not of the wanted version (None: of a new one)."""
    if group is None:
        return
    others = [
        member.instance_id
        for member in group.serving
        if wanted is None or member.template_version != wanted.number
    ]
    if others:
        raise Refused(
            f"{', '.join(others)} serves another release, and would have to be replaced: {why}",
            hint="rolling a running cluster over to a new release is not built yet; "
            "`invoke destroy` and deploy again, or ask for the release that it serves",
        )


def _refuse_rolling(
    wanted: Wanted, state: ClusterState, foundation: StackPlan, chain: _Chain
) -> None:
    # A foundation about to change may settle it; the group's step looks again.
    if state.foundation is not None and _keeps_outputs(foundation):
        refuse_rolling(state.group, chain.head, _reason(wanted, state))


def _reason(wanted: Wanted, state: ClusterState) -> str:
    if state.release is None or state.release == wanted.release:
        return "what its instances are launched with has changed"
    return "; ".join(differences(state.release, wanted.release))


def _foundation(plan: StackPlan) -> tuple[Step, ...]:
    if plan.is_empty:
        return ()
    why = ", ".join(f"{action} {count}" for action, count in Counter(_actions(plan)).items())
    sign = "+" if plan.is_new else "~"
    return (ChangeFoundation(f"stack {plan.stack}", why or "tags or outputs", sign, plan),)


def _actions(plan: StackPlan) -> tuple[str, ...]:
    return tuple(change.action for change in plan.changes)


def _keeps_outputs(plan: StackPlan) -> bool:
    """What the stack gives stays as it is: nothing is made anew."""
    return not plan.is_new and set(_actions(plan)) <= {"add", "change"}


def _secret(wanted: Wanted, state: ClusterState) -> tuple[Step, ...]:
    if state.secret:
        return ()
    return (MakeSecret(f"secret {wanted.environment.secret}", "made here, never shown", "+"),)


def _release(wanted: Wanted, state: ClusterState) -> tuple[Step, ...]:
    if wanted.release_document().key in state.keys:
        return ()
    release = wanted.release
    why = f"head {release.head.ami_id}, workers {release.worker.ami_id}"
    return (StoreRelease(f"release {release.id}", why, "+"),)


def _worker_template(wanted: Wanted, state: ClusterState, chain: _Chain) -> tuple[Step, ...]:
    if chain.worker:
        return ()
    name, template = wanted.environment.worker_template, state.worker_template
    return (_template_step(name, "worker", template, wanted.release.worker.ami_id),)


def _head_template(wanted: Wanted, state: ClusterState, chain: _Chain) -> tuple[Step, ...]:
    if chain.head:
        return ()
    name, template = wanted.environment.head_template, state.head_template
    return (_template_step(name, "head", template, wanted.release.head.ami_id),)


def _template_step(name: str, role: Role, template: Template | None, ami_id: str) -> PutTemplate:
    if template is None:
        return PutTemplate(f"launch template {name}", f"{ami_id}, version 1", "+", role)
    newest = template.versions[0]
    if newest.content.ami_id != ami_id:
        why = f"image {newest.content.ami_id} → {ami_id}"
    else:
        why = f"a version that differs from {newest.number} in settings, or one that fits"
    return PutTemplate(f"launch template {name}", why, "~", role)


def _autoscaler(wanted: Wanted, state: ClusterState, chain: _Chain) -> tuple[Step, ...]:
    if chain.autoscaler_key in state.keys:
        return ()
    settings = wanted.release.settings
    why = f"{settings.workers_min} to {settings.workers_max} workers of {settings.worker_type}"
    return (StoreAutoscaler("autoscaler configuration", why, "+"),)


def _group(wanted: Wanted, state: ClusterState, chain: _Chain) -> tuple[Step, ...]:
    name, found = f"group {wanted.environment.head_group}", state.group
    if found is None:
        return (PutGroup(name, f"heads: {wanted.head_count}", "+"),)
    if chain.head is None or state.foundation is None:
        return (PutGroup(name, LATER, "~"),)
    changes = group_changes(wanted.group(state.foundation, chain.head), found.settings)
    return (PutGroup(name, "; ".join(changes), "~"),) if changes else ()


def _stale_heads(state: ClusterState, chain: _Chain) -> tuple[Step, ...]:
    """Return an end for each head of another version; none of them serves, or we had refused."""
    if state.group is None:
        return ()
    version = chain.head.number if chain.head else None
    return tuple(
        EndHead(f"head {m.instance_id}", f"of version {m.template_version}", "-", m.instance_id)
        for m in state.group.members
        if not m.goes and m.template_version != version
    )


def _finish(wanted: Wanted, state: ClusterState, *, changed: bool) -> tuple[Step, ...]:
    """Return the waiting and checking that a change, or an unfinished deploy, needs."""
    unready = _unready(wanted, state)
    recorded = state.release == wanted.release
    if not changed and not unready and recorded:
        return ()
    count, least = wanted.head_count, wanted.release.settings.workers_min
    return (
        AwaitHeads(f"wait for {count} head{'s' if count > 1 else ''}", unready, "…"),
        AwaitEndpoint(f"wait for {wanted.environment.head_dns}", "", "…"),
        AwaitWorkers(f"wait for {least} worker{'s' if least > 1 else ''}", "", "…"),
        Verify("verify the cluster", "", "…"),
        *(() if recorded else (_pointer(wanted),)),
    )


def _pointer(wanted: Wanted) -> Step:
    return PointToRelease("current release", wanted.release.id, "~")


def _unready(wanted: Wanted, state: ClusterState) -> str:
    """Say what the cluster lacks now; empty when it serves."""
    serving = len(state.group.serving) if state.group else 0
    if serving < wanted.head_count:
        return f"{serving} of {wanted.head_count} in service"
    if state.leader is None:
        return "nobody leads"
    if not state.is_reachable:
        return "the load balancer does not reach the leader"
    running = [worker for worker in state.workers if worker.state == "running"]
    least = wanted.release.settings.workers_min
    return f"{len(running)} of {least} workers" if len(running) < least else ""
