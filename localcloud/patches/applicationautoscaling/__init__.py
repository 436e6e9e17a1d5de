"""Application Auto Scaling that acts on services of ECS: target tracking and step policies.

moto keeps targets and policies, makes alarms of its own invention for them, and never changes a
desired count. Here ``policies`` makes the documented alarms, ``decisions`` computes the capacity,
``actions`` brings it about when CloudWatch runs a policy's action, ``targets`` keeps it in range.
"""

from localcloud.patches.applicationautoscaling import actions, policies, targets
from localcloud.world import World


def install() -> None:
    """Put these alarms and activities in place of moto's."""
    policies.install()
    actions.install()
    targets.install()


def attach(world: World) -> None:
    """CloudWatch's alarms run the actions; those that stay in ALARM run them again."""
    world.reconcilers.append(actions.run_again)
