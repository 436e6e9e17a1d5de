"""Systems Manager does not answer as the head's Ray dies.

In the field: an endpoint is gone, the parameter store throttles.
Must hold: Ray comes back on the same instance all the same; the token that it needs was fetched
before.
Runbook: docs/runbooks/head-not-ready.md
"""

from drills.kit.phases import Recovery
from drills.kit.scene import Scene

RECOVERY = Recovery.HEAD


def run(scene: Scene) -> None:
    """Lead SSM's name into nowhere on the head, then kill Ray there."""
    name = f"ssm.{scene.environment.region}.amazonaws.com"
    scene.break_on(
        scene.leader,
        f"{name} leads nowhere",
        f"echo '192.0.2.1 {name}' >>/etc/hosts",
        undo=f"sed -i '/^192.0.2.1 {name}$/d' /etc/hosts",
    )
    scene.kill(scene.leader, "gcs_server", "raylet")
