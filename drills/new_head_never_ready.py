"""A roll's new head never comes into service: its guard does not start.

In the field: an image that works in its tests and not in this network, a secret that is gone.
Must hold: the head that serves goes on, clients notice nothing, and the deploy goes back (exit
code 3), leaving no head of the new release.
Runbook: docs/runbooks/head-launch.md
"""

from dataclasses import replace

from deploy.cluster.head_group import Hook, find_group
from deploy.rollout.head_group_changes import ensure_group
from drills.kit.deploys import WENT_BACK, another_release, begin_deploy, newcomers
from drills.kit.phases import Recovery
from drills.kit.scene import Scene
from node.contract import HEAD_UNIT

RECOVERY = Recovery.NOTHING
WITHIN = 20.0
# So that a head that does not come up is given up sooner.
LIMIT = "head_ready_seconds=60"


def run(scene: Scene) -> None:
    """Take the guard away from each new head as soon as there is one."""
    scene.undo.callback(give_time_again, scene)
    deploy = begin_deploy(scene, another_release(scene, "head"), limits=(LIMIT,))
    masked: set[str] = set()

    def over() -> bool:
        for new in {head.id for head in newcomers(scene) if head.state == "running"} - masked:
            masked.add(new)
            mask = f"systemctl mask --runtime --now {HEAD_UNIT}.service"
            scene.break_on(new, "the guard is masked", mask)
        return not deploy.is_running

    scene.wait("the deploy to go back", over, seconds=600)
    deploy.ends(WENT_BACK)


def give_time_again(scene: Scene) -> None:
    """Give new heads as long as the environment says, which the deploy that went back did not."""
    environment = scene.environment
    hook = environment.names.lifecycle_hook
    group = find_group(scene.clients, environment.head_group, hook)
    if group:
        seconds = environment.limits.head_ready_seconds
        desired = replace(group.settings, hook=Hook(hook, seconds))
        ensure_group(scene.clients, environment.head_group, desired, clock=scene.clock)
