"""SSM Run Command that runs: scripts go to the machine, and its answer comes back.

Follows "AWS Systems Manager Run Command" (docs.aws.amazon.com/systems-manager/latest/userguide/
run-command.html). moto calls every command a success and runs nothing. Only the document
AWS-RunShellScript is here.
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
