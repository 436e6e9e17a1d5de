"""The load balancer swallows what clients send to the head; its health checks still pass.

In the field: a balancer's node in one zone is broken; AWS takes minutes to see it.
Must hold: workers do not depend on it: none leaves, and the head goes on; clients are served again
as soon as it works.
Runbook: docs/runbooks/no-healthy-target.md
"""

from deploy.verify.cluster_checks import addresses
from drills.kit.local import cut, mend
from drills.kit.phases import Recovery
from drills.kit.scene import Scene
from node.contract import RAY_PORTS

RECOVERY = Recovery.NOTHING
LOCAL_ONLY = "a balancer of AWS cannot be broken"
WITHIN = 90.0
SECONDS = 45.0


def run(scene: Scene) -> None:
    """Drop what the balancer sends to Ray's ports for a while; see that no worker has left."""
    head = scene.address(scene.leader)
    ports = f"tcp dport {{ {', '.join(map(str, RAY_PORTS))} }}"
    balancer = sorted(addresses(scene.environment.head_dns))
    before = nodes(scene)
    cut(
        scene,
        f"the balancer at {', '.join(balancer)} swallows packets",
        [f"ip saddr {address} ip daddr {head} {ports}" for address in balancer],
    )
    scene.clock.sleep(SECONDS)
    mend()
    scene.wait(
        "Ray at the stable name", lambda: scene.witness.seen.nodes[-1].at > scene.clock.now() - 2
    )
    scene.expect(nodes(scene) == before, "nodes have left and joined again")


def nodes(scene: Scene) -> set[str]:
    """Return the ids of Ray's living nodes."""
    return {node.id for node in scene.api.nodes() if node.is_alive}
