"""The head is cut off from AWS for good: it stays in service, and nobody leads.

In the field: a kernel that hangs, an interface or a route table that is lost; EC2's checks pass.
Must hold: with remediation switched on the alarm has the head replaced, without a person; the
record says so.
Runbook: docs/runbooks/remediation.md
"""

from common.environment import Environment
from deploy.cluster.head_group import find_group
from deploy.cluster.remediations import last_remediation
from deploy.foundation.changes import apply_foundation, plan_foundation
from drills.kit.local import between, cut, mend
from drills.kit.phases import Recovery
from drills.kit.scene import Scene
from localcloud.network import API

RECOVERY = Recovery.HEAD
# The alarm waits for three minutes without a head, and for its metric's last minute.
WITHIN = 480.0
LOCAL_ONLY = "on AWS the endpoints have no addresses to cut off, and Run Command would go too"


def run(scene: Scene) -> None:
    """Drop what goes between the head and AWS until the alarm has had it replaced."""
    alarms = scene.environment.alarms.model_copy(update={"remediate": True})
    scene.undo.callback(bring_alarms, scene, scene.environment)
    bring_alarms(scene, scene.environment.model_copy(update={"alarms": alarms}))
    before = last_remediation(scene.clients, scene.environment)
    address = scene.address(scene.leader)
    cut(scene, f"{scene.leader} is cut off from AWS for good", between(address, API))
    took = scene.wait("the head replaced by the alarm", lambda: is_gone(scene), WITHIN)
    scene.figures["replaced"] = took
    mend()
    words = last_remediation(scene.clients, scene.environment)
    scene.expect(words != before, f"no alarm was answered; the last word is {words or 'none'}")


def bring_alarms(scene: Scene, environment: Environment) -> None:
    """Make the foundation as this environment has it: remediation on, or as it was."""
    plan = plan_foundation(scene.clients, environment, clock=scene.clock)
    apply_foundation(scene.clients, environment, plan, clock=scene.clock)


def is_gone(scene: Scene) -> bool:
    """Say whether the group has let go of the head that led."""
    names = scene.environment.head_group, scene.environment.names.lifecycle_hook
    group = find_group(scene.clients, *names)
    return group is not None and scene.leader not in {m.instance_id for m in group.serving}
