"""A shell on an instance through SSM Session Manager, opened by the AWS CLI. No AWS calls."""

import shutil

from common.errors import Refused
from deploy.reach.plugin import NotReached, find_plugin

INSTALL_AWS = (
    "install the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/"
    "getting-started-install.html"
)


def session_command(instance_id: str, region: str) -> list[str]:
    """Return the command that opens a session.

    Raises Refused when the CLI or its plugin, which is installed separately, is missing or too old.
    """
    needs = f"a shell on {instance_id} needs"
    if shutil.which("aws") is None:
        raise Refused(f"{needs} `aws`, which is not installed", hint=INSTALL_AWS)
    try:
        find_plugin(f"{needs} AWS's plugin")
    except NotReached as error:
        raise Refused(error.message, hint=error.hint) from error
    return ["aws", "ssm", "start-session", "--target", instance_id, "--region", region]
