"""SSM Run Command that runs, and Session Manager's port forwarding that forwards.

Scripts run on the machine, and their output comes back: "AWS Systems Manager Run Command"
(docs.aws.amazon.com/systems-manager/latest/userguide/run-command.html). moto reports every command
as a success and runs nothing, and has no sessions. Only the documents AWS-RunShellScript and those
of port forwarding exist.
"""

from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud.patches.ssm import api, commands, session_api, sessions
from localcloud.world import World


def install() -> None:
    """Put these actions in place of moto's."""
    for name, action in (api.ACTIONS | session_api.ACTIONS).items():
        setattr(SimpleSystemManagerResponse, name, action)


def attach(world: World) -> None:
    """Let the world's clock carry commands to machines and their answers back, and end sessions."""
    world.reconcilers.append(lambda now: commands.carry_all(world, now))
    world.reconcilers.append(lambda now: sessions.end_old(world, now))
