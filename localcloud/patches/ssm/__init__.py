"""SSM Run Command that runs: scripts run on the machine, and their output comes back.

Follows "AWS Systems Manager Run Command" (docs.aws.amazon.com/systems-manager/latest/userguide/
run-command.html). moto reports every command as a success and runs nothing. Only the document
AWS-RunShellScript exists.
"""

from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud.patches.ssm import api, commands
from localcloud.world import World


def install() -> None:
    """Put these actions in place of moto's."""
    for name, action in api.ACTIONS.items():
        setattr(SimpleSystemManagerResponse, name, action)


def attach(world: World) -> None:
    """Let the world's clock carry commands to machines and their answers back."""
    world.reconcilers.append(lambda now: commands.carry_all(world, now))
