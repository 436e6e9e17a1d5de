"""A shell on an instance through SSM Session Manager, opened by the AWS CLI. No AWS calls."""

import shutil

from common.errors import Refused

PLUGIN = "session-manager-plugin"
INSTALL = "https://docs.aws.amazon.com/systems-manager/latest/userguide/"


def session_command(instance_id: str, region: str) -> list[str]:
    """Return the command that opens a session; raises Refused when a tool is not installed.

    The CLI needs a plugin that is installed separately:
    https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html
    """
    hints = {
        "aws": "install the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/"
        "getting-started-install.html",
        PLUGIN: f"install it: {INSTALL}session-manager-working-with-install-plugin.html",
    }
    for tool, hint in hints.items():
        if shutil.which(tool) is None:
            raise Refused(
                f"a shell on {instance_id} needs `{tool}`, which is not installed", hint=hint
            )
    return ["aws", "ssm", "start-session", "--target", instance_id, "--region", region]
