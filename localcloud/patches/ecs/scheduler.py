"""What the service scheduler does by itself: start, stop, replace, roll, give up, roll back.

Follows "Deploy Amazon ECS services by replacing tasks" (docs.aws.amazon.com/AmazonECS/latest/
developerguide/deployment-type-ecs.html: minimumHealthyPercent rounded up, maximumPercent down),
"Amazon ECS service throttle logic" (.../service-throttle-logic.html: restarts of tasks that never
run are delayed, up to 27 minutes; those that ran are not), "How the Amazon ECS deployment circuit
breaker detects failures" (.../deployment-circuit-breaker.html) and "Amazon ECS service event
messages" (.../service-event-messages-list.html). AWS does not say how fast the delay grows, nor for
how long a task must have run to be steady; the constants are ours. A task that is stopping counts
until its containers have exited.
"""

from collections.abc import Sequence

from moto.ecs.exceptions import ECSException

from localcloud import world
from localcloud.patches.ecs import discovery, lifecycle, spot
from localcloud.patches.ecs.records import RUNNING, Task, tasks
from localcloud.patches.ecs.services import (
    Deployment,
    Service,
    is_running,
    provider_for,
    services,
)

FIRST_DELAY, LONGEST_DELAY = 5.0, 27 * 60.0
STALLED_AFTER = 3  # tasks that did not start, before the event says so
STEADY_SECONDS = 5.0  # that a task without health check has run
INITIATED = "ServiceSchedulerInitiated"
UNHEALTHY = "Task failed container health checks"
UNHEALTHY_TARGET = "Task failed ELB health checks"
DELETED_SECONDS = 3600.0  # for which a deleted service is described


def reconcile(now: float) -> None:
    """Bring every service closer to what it should be."""
    for key, service in list(services().items()):
        if service.status == "INACTIVE":
            if now - service.stopped_at > DELETED_SECONDS:
                del services()[key]
            continue
        _count_stopped(service, now)
        _stop_unhealthy(service, now)
        if service.status == "DRAINING":
            _drain(service, now)
        else:
            _deploy(service, now)


def _drain(service: Service, now: float) -> None:
    for task in service.tasks:
        lifecycle.stop(task, INITIATED, f"Service {service.name} is being deleted")
    if not service.tasks:
        service.status, service.stopped_at = "INACTIVE", now


def _deploy(service: Service, now: float) -> None:
    primary = service.primary
    guarded = primary.rollout == "IN_PROGRESS" and service.breaker.get("enable")
    if guarded and primary.failed >= service.threshold:
        _give_up(service, now)
        return
    _stop_old(service, now)
    _start_new(service, now)
    _stop_surplus(service)
    _complete(service, now)


def is_healthy(task: Task, now: float) -> bool:
    """Say whether a task does its work: it runs, and has done so, or passes its checks."""
    if task.last_status != RUNNING or not task.is_wanted:
        return False
    if any(state != "healthy" for state in discovery.target_states(task).values()):
        return False
    if task.checks_health:
        return task.health == "HEALTHY"
    return now - task.times["startedAt"] >= STEADY_SECONDS


def _count_stopped(service: Service, now: float) -> None:
    """Look at tasks that have stopped: what failed is counted and delays the next."""
    known = {deployment.deployment_id: deployment for deployment in service.deployments}
    for task in tasks().values():
        deployment = known.get(task.deployment)
        if not task.is_over or task.counted or deployment is None:
            continue
        task.counted = True
        if not task.was_running and task.stop_code == "TaskFailedToStart":
            _count_stalled(service, deployment, now)
        elif task.was_running:
            deployment.stalled = 0
        if _has_failed(task):
            deployment.failed += 1
        service.steady = False


def _has_failed(task: Task) -> bool:
    """Say whether the circuit breaker counts a task."""
    if task.stop_code == "TaskFailedToStart":
        return True
    if task.stopped_reason.startswith((UNHEALTHY, UNHEALTHY_TARGET)):
        return True
    return task.stop_code == "EssentialContainerExited"


def _count_stalled(service: Service, deployment: Deployment, now: float) -> None:
    delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0**deployment.stalled)
    deployment.stalled += 1
    deployment.next_start = now + delay
    if deployment.stalled == STALLED_AFTER:
        service.note("is unable to consistently start tasks successfully.")


def _stop_unhealthy(service: Service, now: float) -> None:
    grace = float(service.settings.get("healthCheckGracePeriodSeconds") or 0)
    for task in service.tasks:
        if not task.is_wanted or now < task.times.get("startedAt", now) + grace:
            continue
        for arn, state in discovery.target_states(task).items():
            if state == "unhealthy":
                service.note(
                    f"(task {task.task_id}) is unhealthy in (target-group {arn}) due to (reason "
                    "Health checks failed)"
                )
                lifecycle.stop(task, INITIATED, f"{UNHEALTHY_TARGET} in (target-group {arn})")
        if task.is_wanted and task.health == "UNHEALTHY":
            service.note(
                f"(deployment {task.deployment}) (task {task.task_id}) failed container health "
                "checks."
            )
            lifecycle.stop(task, INITIATED, UNHEALTHY)


def _stop_old(service: Service, now: float) -> None:
    """Stop tasks of older deployments, as far as enough others run."""
    old = [t for d in service.deployments[1:] for t in d.tasks if t.is_wanted]
    waiting = [task for task in old if not is_running(task)]
    healthy = sum(is_healthy(task, now) for task in service.primary.tasks)
    if service.primary.rollout == "FAILED":
        return
    lowest, _ = service.bounds
    working = [task for task in old if task not in waiting]
    spare = max(0, healthy + len(working) - lowest)
    _stop(service, [*waiting, *_unprotected(working, now)[:spare]])


def _start_new(service: Service, now: float) -> None:
    primary = service.primary
    if primary.rollout == "FAILED" or now < primary.next_start:
        return
    wanted = [task for task in primary.tasks if task.is_wanted]
    missing = service.desired - len(wanted)
    started: list[Task] = []
    for _ in range(min(missing, service.bounds[1] - len(service.tasks))):
        task = _start(service, [*wanted, *started], now)
        if task is None:
            break
        started.append(task)
    if started:
        service.steady = False
        service.note(f"has started {len(started)} tasks: {_listed(started)}.")


def _start(service: Service, running: Sequence[Task], now: float) -> Task | None:
    primary, settings = service.primary, service.settings
    provider = provider_for(primary.strategy, running) if primary.strategy else ""
    if spot.is_short(provider):
        _delay(service, now)
        service.note(
            "was unable to place a task. Reason: Capacity is unavailable at this time. Please try "
            "again later or in a different availability zone."
        )
        return None
    tags = list(service.tags) if settings["propagateTags"] == "SERVICE" else []
    if settings["propagateTags"] == "TASK_DEFINITION":
        tags = list(primary.definition.tags)
    try:
        return lifecycle.launch(
            primary.network,
            primary.definition,
            cluster=service.cluster,
            group=f"service:{service.name}",
            launch_type="FARGATE",
            provider=provider,
            started_by=primary.deployment_id,
            tags=tags,
            exec_enabled=bool(settings["enableExecuteCommand"]),
            deployment=primary.deployment_id,
            registries=settings["serviceRegistries"],
            balancers=settings["loadBalancers"],
        )
    except ECSException as error:
        primary.failed += 1
        _delay(service, now)
        service.note(f"failed to launch a task with (error {error.message}).")
        return None


def _delay(service: Service, now: float) -> None:
    service.steady = False
    _count_stalled(service, service.primary, now)


def _stop_surplus(service: Service) -> None:
    """Stop what the primary deployment has too many of: first what does not run yet."""
    wanted = [task for task in service.primary.tasks if task.is_wanted]
    surplus = len(wanted) - service.desired
    if surplus > 0:
        order = sorted(wanted, key=lambda task: (is_running(task), -task.created))
        _stop(service, _unprotected(order, world.now())[:surplus])


def _unprotected(found: Sequence[Task], now: float) -> list[Task]:
    """Leave out tasks with scale-in protection: .../developerguide/task-scale-in-protection.html"""
    return [task for task in found if task.protected_until <= now]


def _stop(service: Service, found: Sequence[Task]) -> None:
    if not found:
        return
    service.steady = False
    service.note(f"has stopped {len(found)} running tasks: {_listed(found)}.")
    for task in found:
        reason = f"Scaling activity initiated by (deployment {service.primary.deployment_id})"
        lifecycle.stop(task, INITIATED, reason)


def _complete(service: Service, now: float) -> None:
    """End the deployment once it alone runs, with all its tasks."""
    primary = service.primary
    healthy = sum(is_healthy(task, now) for task in primary.tasks)
    for task in primary.tasks:
        if is_healthy(task, now) and not task.proven:
            task.proven = True
            primary.failed = 0  # resetOnHealthyTask, which is AWS's default
    service.deployments = [primary, *(d for d in service.deployments[1:] if d.tasks)]
    if healthy != service.desired or len(service.tasks) != service.desired:
        return
    if primary.rollout == "IN_PROGRESS":
        primary.rollout, primary.updated = "COMPLETED", now
        primary.reason = f"ECS deployment {primary.deployment_id} completed."
        service.completed = primary
        service.note(f"(deployment {primary.deployment_id}) deployment completed.")
    if not service.steady and primary.rollout == "COMPLETED":
        service.steady = True
        service.note("has reached a steady state.")


def _give_up(service: Service, now: float) -> None:
    """The circuit breaker opens: no more tasks, and back to what worked if that is wanted."""
    failed = service.primary
    failed.rollout, failed.updated = "FAILED", now
    failed.reason = "ECS deployment circuit breaker: tasks failed to start."
    service.note(f"(deployment {failed.deployment_id}) deployment failed: tasks failed to start.")
    good = service.completed
    if not (service.breaker.get("rollback") and good):
        return
    failed.status, good.status = "ACTIVE", "PRIMARY"
    good.rollout, good.updated, good.failed = "IN_PROGRESS", now, 0
    good.reason = (
        f"ECS deployment circuit breaker: rolling back to deploymentId {good.deployment_id}."
    )
    service.note(f"rolling back to (deployment {good.deployment_id}).")
    service.deployments = [good, *(d for d in service.deployments if d is not good)]


def _listed(found: Sequence[Task]) -> str:
    return " ".join(f"(task {task.task_id})" for task in found)
