"""SSM Run Command that runs, and Session Manager that forwards ports and opens ECS Exec's shells.

Scripts run on the machine, and their output comes back: "AWS Systems Manager Run Command"
(docs.aws.amazon.com/systems-manager/latest/userguide/run-command.html). moto reports every command
as a success and runs nothing, and has no sessions. Only the documents AWS-RunShellScript and those
of port forwarding exist, and that of ECS Exec for ExecuteCommand alone.
"""

from moto.ecs.responses import EC2ContainerServiceResponse
from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud.patches.ssm import api, commands, ecs_exec, session_api, sessions
from localcloud.world import World


def install() -> None:
    """Put these actions in place of moto's."""
    for name, action in (api.ACTIONS | session_api.ACTIONS).items():
        setattr(SimpleSystemManagerResponse, name, action)
    EC2ContainerServiceResponse.execute_command = ecs_exec.execute_command


def attach(world: World) -> None:
    """Let the world's clock carry commands to machines and their answers back, and end sessions."""
    world.reconcilers.append(lambda now: commands.carry_all(world, now))
    world.reconcilers.append(lambda now: sessions.end_old(world, now))
